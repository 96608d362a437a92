import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, Id, Summary } from '../platform/http/contract.js';
import { CrlsView } from './crl.schema.js';
import { CrlState } from './crl-state.js';

@Controller('authorities/:id/crl')
export class CrlController {
  constructor(private readonly crls: CrlState) {}

  @Get()
  @Requires('authority:read')
  @Summary('The CRLs of an authority', 'For an authority whose key is here. Anybody may fetch the CRLs at `url`.')
  @Answers(200, CrlsView)
  get(@Who() actor: Actor, @Id() id: number): Promise<CrlsView> {
    return this.crls.get(actor, id);
  }

  @Post()
  @HttpCode(200)
  @Requires('authority:update')
  @Summary(
    'Make all CRLs of an authority anew',
    'A job does it at once. It is done within seconds of a revocation, too.',
  )
  @Answers(200, CrlsView)
  remake(@Who() actor: Actor, @Id() id: number): Promise<CrlsView> {
    return this.crls.remake(actor, id);
  }
}
