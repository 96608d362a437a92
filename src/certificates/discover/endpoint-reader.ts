import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import type { Page } from '../../platform/http/page.js';
import { PluginRegistry, slugOf } from '../../platform/plugins/registry.js';
import {
  type EndpointRow,
  EndpointRepository,
  type EndpointSelection,
  staleBefore,
} from '../../sources/endpoint.repository.js';
import type { Source } from '../../sources/source.entity.js';
import { SourceRepository } from '../../sources/source.repository.js';
import { DiscoveredRepository } from './discovered.repository.js';
import { endpointIssues } from './endpoint-issues.js';
import { endpointView, type EndpointView } from './endpoint.schema.js';

/** Reads endpoints with their sources, certificates and issues, and makes their views. */
@Injectable()
export class EndpointReader {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly registry: PluginRegistry,
    private readonly endpoints: EndpointRepository,
    private readonly certificates: DiscoveredRepository,
    private readonly sources: SourceRepository,
  ) {}

  async list(query: EndpointSelection): Promise<Page<EndpointView>> {
    const page = await this.endpoints.list(this.db.single, query, this.staleBefore(), this.clock.now());
    return { ...page, items: await this.views(page.items) };
  }

  /** Throws Problem `not-found`. */
  async get(id: number): Promise<EndpointView> {
    const row = await this.endpoints.get(this.db.single, id, this.staleBefore(), this.clock.now());
    return (await this.views([row]))[0] as EndpointView;
  }

  private async views(rows: readonly EndpointRow[]): Promise<EndpointView[]> {
    const tx = this.db.single;
    const certificates = new Map(
      (
        await this.certificates.servedOf(
          tx,
          rows.flatMap(({ endpoint }) => endpoint.certificateId ?? []),
        )
      ).map((one) => [one.label.id, one]),
    );
    const sources = new Map(
      (
        await this.sources.getMany(
          tx,
          rows.map(({ endpoint }) => endpoint.sourceId),
        )
      ).map((one) => [one.id, one]),
    );
    const when = { now: this.clock.now(), leadS: Math.max(...this.config.noticeDays, 0) * 86_400 };
    return rows.flatMap((row) => {
      const source = sources.get(row.endpoint.sourceId);
      const certificate = certificates.get(row.endpoint.certificateId ?? 0) ?? null;
      const issues = endpointIssues({ ...row.endpoint, active: row.active }, certificate, when);
      return source ? [endpointView(row, { source: this.named(source), certificate, issues })] : [];
    });
  }

  private named({ id, label, active, pluginId }: Source): { id: number; label: string; active: boolean; slug: string } {
    const plugin = this.registry.find('source', pluginId);
    return { id, label, active, slug: plugin ? slugOf(plugin) : pluginId };
  }

  private staleBefore(): Date {
    return staleBefore(this.config, this.clock.now());
  }
}
