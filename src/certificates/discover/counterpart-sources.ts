import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Destinations, type ReadyDestination } from '../../destinations/destinations.js';
import type { CounterpartSource } from '../../plugin-api/destination.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { ConfiguredPlugins } from '../../platform/plugins/configured-plugin.js';
import { OwnerName } from '../../roles/role-name.js';
import { pollSeconds, SourceService } from '../../sources/source.service.js';
import { SourceRepository } from '../../sources/source.repository.js';

/** When a destination is created, also creates the source that scans the same place, as Lemur does for AWS IAM. */
@Injectable()
export class CounterpartSources implements OnModuleInit {
  constructor(
    private readonly config: Config,
    private readonly configured: ConfiguredPlugins,
    private readonly destinations: Destinations,
    private readonly sources: SourceRepository,
    private readonly service: SourceService,
  ) {}

  onModuleInit(): void {
    this.destinations.onCreated((tx, actor, created) => this.make(tx, actor, created));
  }

  private async make(tx: Tx, actor: Actor, { plugin, destination, options }: ReadyDestination): Promise<void> {
    const counterpart = plugin.source?.(options());
    const owner = counterpart && this.ownerFor(actor);
    if (!counterpart || !owner || (await this.isScanned(tx, counterpart))) return;
    const input = {
      id: counterpart.pluginId,
      options: Object.fromEntries(Object.entries(counterpart.options).filter(([, value]) => value !== undefined)),
    };
    const source = this.configured.chosen('source', input);
    const stored = this.configured.seal(source, input, 'source');
    await this.service.add(tx, actor, {
      label: await this.freeLabel(tx, destination.label),
      description: `Finds certificates at the destination ${destination.label}.`,
      owner,
      active: true,
      ...stored,
      pollS: pollSeconds(this.configured.open(source, stored, 'source')),
    });
  }

  /**
   * The owner of the certificates that the source will find, who gets their notices. Null when no address receives
   * mail: then no source is created.
   */
  private ownerFor({ email }: Actor): string | null {
    return (
      [email, ...(this.config.securityTeamEmail ?? [])]
        .map((address) => OwnerName.safeParse(address))
        .find(({ success }) => success)?.data ?? null
    );
  }

  /** True when a source already scans this place. */
  private async isScanned(tx: Tx, { pluginId, options, place }: CounterpartSource): Promise<boolean> {
    const sources = await this.sources.ofPlugin(tx, pluginId);
    return sources.some((source) => place.every((name) => (source.options[name] ?? null) === (options[name] ?? null)));
  }

  private async freeLabel(tx: Tx, label: string): Promise<string> {
    for (let n = 1; ; n += 1) {
      const candidate = n === 1 ? label : `${label.slice(0, 120)} ${n}`;
      if (!(await this.sources.isLabelTaken(tx, candidate))) return candidate;
    }
  }
}
