import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import type { OutboxEntry } from '../jobs/outbox.entity.js';
import { OutboxRepository } from '../jobs/outbox.repository.js';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, JsonBody, PathText, QueryOf, Summary } from '../platform/http/contract.js';
import { instant, instantOrNull, InstantOut } from '../platform/http/instant.js';
import { listQuery, type Page, pageOf } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';

const uuid = z.guid();
const JobQuery = listQuery('createdAt', 'id').extend({
  state: z.enum(['due', 'done', 'dead']).optional(),
  job: z.string().max(100).optional(),
});

/** Replayed by one request at most. */
const mostReplayed = 1_000;
const ReplayRequest = z
  .strictObject({
    job: z.string().max(100).optional().meta({ description: 'Only dead jobs of this name. Absent: all of them.' }),
  })
  .meta({ id: 'ReplayRequest' });
const Replayed = z
  .strictObject({ replayed: z.int().meta({ description: 'How many jobs are due again.' }) })
  .meta({ id: 'Replayed' });

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

  @Post('replay')
  @Requires('job:write')
  @Summary('Retry many dead jobs with all their attempts', `The oldest first, at most ${mostReplayed}.`)
  @Answers(200, Replayed)
  async replayMany(
    @Who() actor: Actor,
    @JsonBody(ReplayRequest) { job }: z.output<typeof ReplayRequest>,
  ): Promise<z.output<typeof Replayed>> {
    return this.db.write(async (tx) => {
      const replayed = await this.outbox.replayMany(tx, job ?? null, mostReplayed);
      if (replayed > 0)
        await this.audit.record(tx, actor, {
          action: 'job.replayed',
          targetType: 'job',
          targetId: job ?? 'all',
          after: { replayed },
        });
      return { replayed };
    });
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
