import { Controller, Get, Put } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { z } from 'zod';
import type { Authority } from '../../authorities/authority.entity.js';
import { AuthorityReader } from '../../authorities/authority-reader.js';
import { demandRight } from '../../authorities/authority-store.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { JsonBody, PathText, QueryOf } from '../../platform/http/contract.js';
import { queryBoolean } from '../../platform/http/query.js';
import { AuthoritiesBySerial } from './authorities-by-serial.js';
import { CaUpdate, demandUnchanged } from './ca.schema.js';
import { type CaView, caView } from './ca.view.js';
import { djangoCaPath } from './django-ca.surfaces.js';

const CaQuery = z.strictObject({ expired: queryBoolean().default(false) });

/** CAs by their serial numbers. */
@Controller(`${djangoCaPath}/ca`)
@ApiExcludeController()
export class CaController {
  constructor(
    private readonly authorities: AuthoritiesBySerial,
    private readonly reader: AuthorityReader,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  @Get()
  @Requires('authority:read')
  async list(@Who() actor: Actor, @QueryOf(CaQuery) { expired }: z.output<typeof CaQuery>): Promise<CaView[]> {
    return (await this.authorities.list(actor, expired)).map((authority) => this.view(authority));
  }

  @Get(':serial')
  @Requires('authority:read')
  async read(@Who() actor: Actor, @PathText('serial') serial: string): Promise<CaView> {
    return this.view(await this.authorities.get(actor, serial));
  }

  @Put(':serial')
  @Requires('authority:update')
  async update(
    @Who() actor: Actor,
    @PathText('serial') serial: string,
    @JsonBody(CaUpdate) body: CaUpdate,
  ): Promise<CaView> {
    const authority = await this.authorities.get(actor, serial);
    demandRight(actor, authority, await this.reader.rolesOf(actor, authority.id));
    const view = this.view(authority);
    demandUnchanged(body, view);
    return view;
  }

  private view(authority: Authority): CaView {
    return caView(authority, { now: this.clock.now(), ocspValidityHours: this.config.ocspValidityHours });
  }
}
