import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Tx } from '../platform/db/database.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { DnsProvider } from './dns-provider.entity.js';

const source: ListSource = {
  columns: 'id',
  from: 'dns_provider',
  sorts: {
    id: { sql: 'id', type: 'int' },
    name: { sql: 'lower(name)', type: 'text' },
    pluginName: { sql: 'plugin_id', type: 'text' },
  },
  filters: {
    id: whole('id'),
    name: words('name'),
    description: words('description'),
    pluginName: words('plugin_id'),
  },
};

/** Every query on DNS providers. */
@Injectable()
export class DnsProviderRepository {
  async get(tx: Tx, id: number): Promise<DnsProvider> {
    const found = await tx.findOneBy(DnsProvider, { id });
    if (!found) throw new Problem('not-found', `There is no DNS provider ${id}.`);
    return found;
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<DnsProvider> {
    const found = await tx.findOne(DnsProvider, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw new Problem('not-found', `There is no DNS provider ${id}.`);
    return found;
  }

  async list(tx: Tx, query: PageQuery): Promise<Page<DnsProvider>> {
    const page = await listPage<{ id: number }>(tx, source, query);
    const found = await tx.findBy(DnsProvider, { id: In(page.items.map((item) => item.id)) });
    const rows = new Map(found.map((row) => [row.id, row]));
    return { ...page, items: page.items.flatMap((item) => rows.get(item.id) ?? []) };
  }

  /** Ordered by id. */
  all(tx: Tx): Promise<DnsProvider[]> {
    return tx.find(DnsProvider, { order: { id: 'ASC' } });
  }

  /** What the service said, unless its options have changed since it was asked. */
  async storeZones(tx: Tx, { id, options }: DnsProvider, zones: readonly string[], now: Date): Promise<void> {
    await tx.query(
      `update dns_provider set zones = $3, zones_at = $4 where id = $1 and options = $2::jsonb and not zones_given`,
      [id, JSON.stringify(options), zones, now],
    );
  }

  async add(tx: Tx, provider: Omit<DnsProvider, 'id'>): Promise<DnsProvider> {
    return tx.save(tx.create(DnsProvider, provider));
  }

  async save(tx: Tx, provider: DnsProvider): Promise<void> {
    await tx.save(provider);
  }

  /** True while a record that was published through it, or may have been, is not removed. */
  async hasRecords(tx: Tx, id: number): Promise<boolean> {
    const rows: unknown[] = await tx.query('select from challenge where dns_provider_id = $1 limit 1', [id]);
    return rows.length > 0;
  }

  /** Fails on a foreign key while a record that was published through it is not removed. */
  async remove(tx: Tx, provider: DnsProvider): Promise<void> {
    await tx.remove(provider);
  }
}
