import { Controller, Get, Post, Put } from '@nestjs/common';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { Idempotent } from '../../platform/http/idempotent.js';
import type { Page } from '../../platform/http/page.js';
import { RunQuery } from '../runs/run.schema.js';
import {
  CreatedReplacement,
  CreateReplacement,
  ReplacementItemPage,
  ReplacementItemQuery,
  type ReplacementItemView,
  ReplacementPage,
  ReplacementView,
  UpdateReplacement,
} from './replacement.schema.js';
import { Replacements } from './replacements.js';

@Controller('replacements')
export class ReplacementController {
  constructor(private readonly replacements: Replacements) {}

  @Post()
  @Idempotent()
  @Requires('certificate:issue')
  @Summary(
    'Replace many certificates at a pace',
    'Selects by ids, or by the parameters of the list. Without `"dryRun": false` it only tells which certificates ' +
      'would be replaced, and which not and why. A run goes on by itself, also after a restart; each certificate is ' +
      'renewed with a new key and the rights of who made the run, and a failure of one does not stop the others.',
  )
  @Answers(200, CreatedReplacement)
  create(@Who() actor: Actor, @JsonBody(CreateReplacement) body: CreateReplacement): Promise<CreatedReplacement> {
    return this.replacements.create(actor, body);
  }

  @Get()
  @Requires('certificate:issue')
  @Summary('List replacement runs', 'Newest first: your own ones; administrators see all.')
  @Answers(200, ReplacementPage)
  list(@Who() actor: Actor, @QueryOf(RunQuery) query: RunQuery): Promise<Page<ReplacementView>> {
    return this.replacements.list(actor, query);
  }

  @Get(':id')
  @Requires('certificate:issue')
  @Summary('Read a replacement run', 'Its state, how many certificates are in which state, and what became of them.')
  @Answers(200, ReplacementView)
  get(@Who() actor: Actor, @Id() id: number): Promise<ReplacementView> {
    return this.replacements.get(actor, id);
  }

  @Put(':id')
  @Requires('certificate:issue')
  @Summary('Pause, resume or cancel a replacement run, or change its pace')
  @Answers(200, ReplacementView)
  update(
    @Who() actor: Actor,
    @Id() id: number,
    @JsonBody(UpdateReplacement) body: UpdateReplacement,
  ): Promise<ReplacementView> {
    return this.replacements.update(actor, id, body);
  }

  @Get(':id/certificates')
  @Requires('certificate:issue')
  @Summary('List the certificates of a replacement run', 'With the successor of each, what holds it, or why it failed.')
  @Answers(200, ReplacementItemPage)
  items(
    @Who() actor: Actor,
    @Id() id: number,
    @QueryOf(ReplacementItemQuery) query: ReplacementItemQuery,
  ): Promise<Page<ReplacementItemView>> {
    return this.replacements.items(actor, id, query);
  }
}
