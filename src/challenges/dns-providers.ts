import { Injectable, Logger } from '@nestjs/common';
import type { PluginOf } from '../plugin-api/any-plugin.js';
import { longestZone, type PresentedRecord, type TxtRecord } from '../plugin-api/dns.js';
import { asMisconfigured, PluginError } from '../plugin-api/errors.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { DnsProvider } from './dns-provider.entity.js';
import { DnsProviderRepository } from './dns-provider.repository.js';

/** A DNS provider ready for use. */
export interface ReadyProvider {
  readonly provider: DnsProvider;
  readonly plugin: PluginOf<'dns'>;
  /** Throws PluginError `misconfigured` when the stored options no longer fit the plugin. */
  readonly options: () => Record<string, unknown>;
}

/** What a service said of its zones counts for so long. */
const zonesLastMs = 3_600_000;

/** Publishes records through the configured DNS providers. */
@Injectable()
export class DnsProviders {
  private readonly logger = new Logger('dns');

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: DnsProviderRepository,
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
  ) {}

  async get(id: number): Promise<ReadyProvider> {
    return this.ready(await this.repository.get(this.db.single, id));
  }

  ready(provider: DnsProvider): ReadyProvider {
    const plugin = this.configured.plugin('dns', provider.pluginId);
    return { provider, plugin, options: () => this.configured.open(plugin, provider, 'dns_provider') };
  }

  /**
   * The provider with the longest zone that holds the name, the oldest of several; null when none has one. Services
   * whose zones are not known, or were read more than an hour ago, are asked for them. Throws PluginError when no known
   * zone holds the name and a service whose zones were never read does not tell them.
   */
  async findFor(name: string, signal: AbortSignal): Promise<DnsProvider | null> {
    const providers = await this.repository.all(this.db.single);
    const read = await Promise.all(providers.map((provider) => this.withZones(provider, signal)));
    const fresh = read.map(({ provider }) => provider);
    const zone = longestZone(
      name,
      fresh.flatMap(({ zones }) => zones),
    );
    const found = fresh.find(({ zones }) => zone !== null && zones.includes(zone));
    if (found) return found;
    const unread = read.find(({ provider, fault }) => fault && provider.zonesAt === null);
    return unread ? asMisconfigured(unread.fault) : null;
  }

  /** The zones that the service names, stored; null when its plugin cannot tell. Throws PluginError. */
  async readZones({ provider, plugin, options }: ReadyProvider, signal: AbortSignal): Promise<string[] | null> {
    if (!plugin.zones || provider.zonesGiven) return null;
    const named = await plugin.zones(options(), this.contexts.make(signal));
    const zones = [...new Set(named.map((zone) => zone.toLowerCase().replace(/\.$/, '')))].sort();
    await this.repository.storeZones(this.db.single, provider, zones, this.clock.now());
    return zones;
  }

  /** Throws PluginError. */
  async present({ plugin, options }: ReadyProvider, record: TxtRecord, signal: AbortSignal): Promise<PresentedRecord> {
    return plugin.present(record, options(), this.contexts.make(signal));
  }

  /** Throws PluginError. */
  async remove({ plugin, options }: ReadyProvider, record: PresentedRecord, signal: AbortSignal): Promise<void> {
    await plugin.remove(record, options(), this.contexts.make(signal));
  }

  /** Read-only connection test, which also reads the zones. Throws PluginError. */
  async check(ready: ReadyProvider, signal: AbortSignal): Promise<void> {
    await ready.plugin.check?.(ready.options(), this.contexts.make(signal));
    await this.readZones(ready, signal);
  }

  /**
   * The provider with its newest zones. A service that does not answer keeps the zones that it had, and gives its
   * fault, so that it holds up no other.
   */
  private async withZones(
    provider: DnsProvider,
    signal: AbortSignal,
  ): Promise<{ provider: DnsProvider; fault?: PluginError }> {
    const readAt = provider.zonesAt?.getTime() ?? 0;
    if (provider.zonesGiven || this.clock.now().getTime() - readAt < zonesLastMs) return { provider };
    try {
      const zones = await this.readZones(this.ready(provider), signal);
      return { provider: zones === null ? provider : { ...provider, zones } };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PluginError)) throw error;
      this.logger.warn(`The zones of DNS provider ${provider.name} are not known: ${error.detail}`);
      return { provider, fault: error };
    }
  }
}
