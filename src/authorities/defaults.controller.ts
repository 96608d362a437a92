import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { Requires } from '../platform/http/actor.js';
import { Answers, Summary } from '../platform/http/contract.js';
import { AuthorityRepository } from './authority.repository.js';

const DefaultsView = z.object({
  country: z.string().nullable(), state: z.string().nullable(), location: z.string().nullable(),
  organization: z.string().nullable(), organizationalUnit: z.string().nullable(),
  issuerPlugin: z.string(),
  authority: z.object({ id: z.int(), name: z.string() }).nullable(),
}).meta({ id: 'Defaults' });

@Controller('defaults')
export class DefaultsController {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly authorities: AuthorityRepository,
  ) {}

  @Get() @Requires('self') @Summary('What a request is filled up with') @Answers(200, DefaultsView)
  async get(): Promise<z.output<typeof DefaultsView>> {
    const { config } = this;
    const authority = config.defaultAuthority ? await this.authorities.find(this.db.single, { name: config.defaultAuthority }) : null;
    return {
      country: config.defaultCountry ?? null, state: config.defaultState ?? null, location: config.defaultLocation ?? null,
      organization: config.defaultOrganization ?? null, organizationalUnit: config.defaultOrganizationalUnit ?? null,
      issuerPlugin: 'cryptography-issuer',
      authority: authority && { id: authority.id, name: authority.name },
    };
  }
}
