import { Controller, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import type { Page } from '../../platform/http/page.js';
import { RunQuery } from '../runs/run.schema.js';
import {
  CreatedRun,
  CreateRun,
  RevocationItemQuery,
  RunItemPage,
  type RunItemView,
  RunPage,
  RunView,
  UpdateRun,
} from './revocation-run.schema.js';
import { RevocationRuns } from './revocation-runs.js';

@Controller('revocations')
export class RevocationRunController {
  constructor(private readonly runs: RevocationRuns) {}

  @Post()
  @Idempotent()
  @Requires('certificate:revoke')
  @Summary(
    'Revoke many certificates at a pace',
    'Selects by ids, or by the parameters of the list. Without `"dryRun": false` it only tells what would be done. ' +
      'A run goes on by itself, also after a restart; each certificate is revoked with the rights of who made the ' +
      'run, and a failure of one does not stop the others.',
  )
  @Answers(200, CreatedRun)
  create(@Who() actor: Actor, @JsonBody(CreateRun) body: CreateRun): Promise<CreatedRun> {
    return this.runs.create(actor, body);
  }

  @Get()
  @Requires('certificate:revoke')
  @Summary('List revocation runs', 'Newest first: your own ones; administrators see all.')
  @Answers(200, RunPage)
  list(@Who() actor: Actor, @QueryOf(RunQuery) query: RunQuery): Promise<Page<RunView>> {
    return this.runs.list(actor, query);
  }

  @Get(':id')
  @Requires('certificate:revoke')
  @Summary('Read a revocation run', 'Its state, and how many certificates are in which state.')
  @Answers(200, RunView)
  get(@Who() actor: Actor, @Id() id: number): Promise<RunView> {
    return this.runs.get(actor, id);
  }

  @Put(':id')
  @Requires('certificate:revoke')
  @Summary('Pause, resume or cancel a revocation run, or change its pace')
  @Answers(200, RunView)
  update(@Who() actor: Actor, @Id() id: number, @JsonBody(UpdateRun) body: UpdateRun): Promise<RunView> {
    return this.runs.update(actor, id, body);
  }

  @Get(':id/certificates')
  @Requires('certificate:revoke')
  @Summary('List the certificates of a revocation run', 'With what became of each, and why it failed.')
  @Answers(200, RunItemPage)
  items(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(RevocationItemQuery) query: RevocationItemQuery,
  ): Promise<Page<RunItemView>> {
    return this.runs.items(actor, id, query);
  }
}
