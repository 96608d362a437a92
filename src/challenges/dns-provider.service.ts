import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import type { PluginOf } from '../plugin-api/any-plugin.js';
import { Clock } from '../platform/clock.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { probed, type ProbeView } from '../platform/plugins/probe.js';
import type { DnsProvider } from './dns-provider.entity.js';
import { DnsProviderRepository } from './dns-provider.repository.js';
import { type DnsProviderRequest, type DnsProviderView, dnsProviderView, pluginOf } from './dns-provider.schema.js';
import { DnsProviders } from './dns-providers.js';

/** The use cases on DNS providers. */
@Injectable()
export class DnsProviderService {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
    private readonly repository: DnsProviderRepository,
    private readonly providers: DnsProviders,
  ) {}

  async list(query: PageQuery): Promise<Page<DnsProviderView>> {
    const page = await this.repository.list(this.db.single, this.configured.asStored('dns', query));
    return { ...page, items: page.items.map((row) => this.view(row)) };
  }

  /** Throws Problem `not-found`. */
  async get(id: number): Promise<DnsProviderView> {
    return this.view(await this.repository.get(this.db.single, id));
  }

  create(actor: Actor, request: DnsProviderRequest): Promise<DnsProviderView> {
    const input = pluginOf(request);
    const plugin = this.configured.chosen('dns', input);
    const stored = this.configured.seal(plugin, input, 'dns_provider');
    return this.db.write(async (tx) => {
      const row = await this.repository.add(tx, {
        ...stored,
        ...wishesOf(request, plugin),
        createdAt: this.clock.now(),
      });
      await this.admit(row);
      await this.recordChange(tx, actor, 'dns-provider.created', row.id, { after: this.view(row) });
      return this.view(row);
    });
  }

  /** Throws Problem `in-use` for another plugin while a record that was published through it is not removed. */
  update(actor: Actor, id: number, request: DnsProviderRequest): Promise<DnsProviderView> {
    return this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      const before = { ...row };
      const input = pluginOf(request);
      const plugin = this.configured.chosen('dns', input);
      if (plugin.id !== row.pluginId && (await this.repository.hasRecords(tx, id)))
        throw new Problem('in-use', 'Records that were published with its plugin are not removed yet.');
      Object.assign(
        row,
        this.configured.seal(plugin, input, 'dns_provider', row),
        // A client that sends back what it got has not named the zones that the service told.
        request.zones === undefined || (!row.zonesGiven && String(request.zones) === String(row.zones))
          ? { name: request.name, description: request.description ?? null, zonesAt: null }
          : wishesOf(request, plugin),
      );
      demandZones(row, plugin);
      await this.admit(row);
      await this.repository.save(tx, row);
      const secrets = this.configured.secretsChanged(before, row, 'dns_provider');
      await this.recordChange(tx, actor, 'dns-provider.updated', id, {
        before: this.view(before),
        after: { ...this.view(row), ...(secrets.length > 0 && { secretsChanged: secrets }) },
      });
      return this.view(row);
    });
  }

  /** Throws Problem `in-use` while a record that was published through it is not removed. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const row = await this.repository.lock(tx, id);
      await this.recordChange(tx, actor, 'dns-provider.deleted', id, { before: this.view(row) });
      await this.repository.remove(tx, row);
    });
  }

  /**
   * Tests the service, and reads its zones, without changing anything there. Audited, because it uses the secrets.
   * Throws Problem `not-found`.
   */
  async check(actor: Actor, id: number): Promise<ProbeView> {
    const row = await this.repository.get(this.db.single, id);
    await this.recordChange(this.db.single, actor, 'dns-provider.tested', id, {});
    return probed((signal) => this.providers.check(this.providers.ready(row), signal));
  }

  private async admit(row: DnsProvider): Promise<void> {
    const { plugin, options } = this.providers.ready(row);
    await this.contexts.admit(plugin, options());
  }

  private async recordChange(
    tx: Tx,
    actor: Actor,
    action: string,
    targetId: number,
    change: { before?: object; after?: object },
  ): Promise<void> {
    await this.audit.record(tx, actor, { action, targetType: 'dns-provider', targetId, ...change });
  }

  private view(row: DnsProvider): DnsProviderView {
    return dnsProviderView(row, this.configured.view('dns', row));
  }
}

/** Throws Problem `invalid-request`. */
function wishesOf({ name, description, zones }: DnsProviderRequest, plugin: PluginOf<'dns'>) {
  const given = zones ?? [];
  const wishes = {
    name,
    description: description ?? null,
    zones: [...new Set(given)].sort(),
    zonesGiven: given.length > 0,
    zonesAt: null,
  };
  demandZones(wishes, plugin);
  return wishes;
}

/** Throws Problem `invalid-request`. */
function demandZones({ zonesGiven }: Pick<DnsProvider, 'zonesGiven'>, plugin: PluginOf<'dns'>): void {
  if (!zonesGiven && !plugin.zones) throw invalid('zones', `${plugin.title} cannot tell its zones: name them.`);
}
