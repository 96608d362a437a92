import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { z } from 'zod';
import { Clock } from '../../platform/clock.js';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { PathText, QueryOf } from '../../platform/http/contract.js';
import { queryBoolean } from '../../platform/http/query.js';
import { AuthoritiesBySerial } from './authorities-by-serial.js';
import { type CaView, caView } from './ca.view.js';
import { djangoCaPath } from './django-ca.surfaces.js';

const CaQuery = z.strictObject({ expired: queryBoolean().default(false) });

/** CAs by their serial numbers. */
@Controller(`${djangoCaPath}/ca`)
@ApiExcludeController()
export class CaController {
  constructor(
    private readonly authorities: AuthoritiesBySerial,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Requires('authority:read')
  async list(@Who() actor: Actor, @QueryOf(CaQuery) { expired }: z.output<typeof CaQuery>): Promise<CaView[]> {
    const now = this.clock.now();
    return (await this.authorities.list(actor, expired)).map((authority) => caView(authority, now));
  }

  @Get(':serial')
  @Requires('authority:read')
  async read(@Who() actor: Actor, @PathText('serial') serial: string): Promise<CaView> {
    return caView(await this.authorities.get(actor, serial), this.clock.now());
  }
}
