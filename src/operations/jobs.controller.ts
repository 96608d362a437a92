import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import type { OutboxEntry } from '../jobs/outbox.entity.js';
import { OutboxRepository } from '../jobs/outbox.repository.js';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, PathText, QueryOf, Summary } from '../platform/http/contract.js';
import { instant, instantOrNull, InstantOut } from '../platform/http/instant.js';
import { listQuery, type Page, pageOf } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';

const uuid = z.guid();
const JobQuery = listQuery('createdAt', 'id').extend({
  state: z.enum(['due', 'done', 'dead']).optional(),
  job: z.string().max(100).optional(),
});

const JobView = z
  .object({
    id: z.string(),
    job: z.string(),
    state: z.enum(['due', 'done', 'dead']),
    data: z.unknown(),
    lane: z.string().nullable().meta({ description: 'The jobs of one lane share limits, e.g. `destination:8`.' }),
    attempts: z.int(),
    lastError: z.string().nullable(),
    runAt: InstantOut,
    createdAt: InstantOut,
    finishedAt: InstantOut.nullable(),
  })
  .meta({ id: 'Job' });
type JobView = z.output<typeof JobView>;

function jobView({
  id,
  job,
  state,
  data,
  lane,
  attempts,
  lastError,
  runAt,
  createdAt,
  finishedAt,
}: OutboxEntry): JobView {
  return {
    id,
    job,
    state,
    data,
    lane: lane || null,
    attempts,
    lastError,
    runAt: instant(runAt),
    createdAt: instant(createdAt),
    finishedAt: instantOrNull(finishedAt),
  };
}

/** Jobs: list them, and replay dead ones. */
@Controller('jobs')
export class JobsController {
  constructor(
    private readonly db: Database,
    private readonly outbox: OutboxRepository,
    private readonly audit: Audit,
  ) {}

  @Get()
  @Requires('job:read')
  @Summary('List jobs', 'Newest first. `state=dead` lists jobs that have failed all attempts.')
  @Answers(200, pageOf(JobView))
  async list(@QueryOf(JobQuery) query: z.output<typeof JobQuery>): Promise<Page<JobView>> {
    const page = await this.outbox.list(this.db.single, query);
    return { ...page, items: page.items.map(jobView) };
  }

  @Post(':id/replay')
  @Requires('job:write')
  @Summary('Retry a dead job with all its attempts')
  @Answers(204, null)
  async replay(@Who() actor: Actor, @PathText('id') id: string): Promise<void> {
    if (!uuid.safeParse(id).success) throw invalid('id', 'Expected a UUID.');
    await this.db.write(async (tx) => {
      if (!(await this.outbox.replay(tx, id))) throw new Problem('not-found', `There is no dead job ${id}.`);
      await this.audit.record(tx, actor, { action: 'job.replayed', targetType: 'job', targetId: id });
    });
  }
}
