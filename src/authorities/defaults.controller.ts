import { Controller, Get, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { Requires } from '../platform/http/actor.js';
import { Answers, Summary } from '../platform/http/contract.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { slugOf } from '../platform/plugins/registry.js';
import type { Authority } from './authority.entity.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityLabel, authorityLabel } from './authority-label.js';

const DefaultsView = z
  .object({
    country: z.string().nullable(),
    state: z.string().nullable(),
    location: z.string().nullable(),
    organization: z.string().nullable(),
    organizationalUnit: z.string().nullable(),
    issuerPlugin: z
      .string()
      .meta({ description: 'DEFAULT_ISSUER_PLUGIN, else the plugin of the default authority, else the local CA.' }),
    authority: AuthorityLabel.nullable(),
    validityDays: z
      .int()
      .meta({ description: 'The validity of a certificate of the default authority when the request names none.' }),
    allowWeekendExpiration: z.boolean(),
  })
  .meta({ id: 'Defaults' });

@Controller('defaults')
export class DefaultsController implements OnModuleInit {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly authorities: AuthorityRepository,
    private readonly plugins: ConfiguredPlugins,
  ) {}

  /** Throws when the plugin in DEFAULT_ISSUER_PLUGIN does not exist. */
  onModuleInit(): void {
    this.issuerPlugin(null);
  }

  @Get()
  @Requires('self')
  @Summary('The values that a request gets for members that it leaves out')
  @Answers(200, DefaultsView)
  async get(): Promise<z.output<typeof DefaultsView>> {
    const { config } = this;
    const authority = config.defaultAuthority
      ? await this.authorities.find(this.db.single, { name: config.defaultAuthority })
      : null;
    const label = authority && (await this.label(authority));
    const days = authority?.defaultValidityDays ?? config.defaultValidityDays;
    return {
      country: config.defaultCountry ?? null,
      state: config.defaultState ?? null,
      location: config.defaultLocation ?? null,
      organization: config.defaultOrganization ?? null,
      organizationalUnit: config.defaultOrganizationalUnit ?? null,
      issuerPlugin: this.issuerPlugin(authority),
      authority: label,
      validityDays: Math.min(days, label?.maxIssuanceDays ?? days),
      allowWeekendExpiration: config.allowWeekendExpiration,
    };
  }

  private async label(authority: Authority): Promise<AuthorityLabel> {
    const limits = await this.authorities.limitsOf(this.db.single, authority.id);
    return authorityLabel({ ...authority, limits }, this.plugins, this.clock.now());
  }

  private issuerPlugin(authority: Authority | null): string {
    return slugOf(
      this.plugins.chosen('issuer', { slug: this.config.defaultIssuerPlugin ?? authority?.pluginId ?? 'local-ca' }),
    );
  }
}
