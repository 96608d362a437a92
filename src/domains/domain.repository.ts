import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { Conditions } from '../platform/db/conditions.js';
import { likePattern, truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { areNamesFew, idsNamed } from '../platform/db/name-search.js';
import { prepared } from '../platform/db/statement.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import type { DomainQuery, DomainView, NewDomain } from './domain.schema.js';

/** A certificate and one of its names, lower case. */
export interface NameOfCertificate {
  certificateId: number;
  name: string;
}

/** A name that certificates carry; issuing for a `sensitive` one takes special rights. */
export interface Domain {
  id: number;
  name: string;
  sensitive: boolean;
}
interface LinkedDomain extends Domain {
  certificateId: number;
}

const linkAll = prepared<LinkedDomain>(
  'link_names',
  'select certificate_id as "certificateId", id, name, sensitive from link_names($1, $2)',
);

const listed: ListSource = {
  columns: 'id, name, sensitive',
  from: 'domain',
  sorts: { id: { sql: 'id', type: 'int' }, name: { sql: 'name', type: 'text' } },
  filters: { id: whole('id'), name: words('name'), sensitive: truth('sensitive') },
};

/** Every query on the names that certificates carry: one row per name, shared by all its certificates. */
@Injectable()
export class DomainRepository {
  /**
   * Links certificates to their names; ignores duplicate pairs. All callers insert names in sorted order, so that
   * concurrent ones cannot deadlock; see `link_names` in migrations/. Returns the linked domains by certificate id.
   */
  async link(tx: Tx, pairs: readonly NameOfCertificate[]): Promise<ReadonlyMap<number, readonly Domain[]>> {
    if (pairs.length === 0) return new Map();
    return byCertificate(await linkAll(tx, [pairs.map((pair) => pair.certificateId), pairs.map((pair) => pair.name)]));
  }

  /** Replaces the names of a certificate. */
  async relink(tx: Tx, certificateId: number, names: readonly string[]): Promise<void> {
    await tx.query('delete from certificate_domain where certificate_id = $1', [certificateId]);
    await this.link(
      tx,
      names.map((name) => ({ certificateId, name })),
    );
  }

  /** Throws `not-found`. */
  async get(tx: Tx, id: number): Promise<DomainView> {
    const [found] = await tx.query<DomainView[]>('select id, name, sensitive from domain where id = $1', [id]);
    if (!found) throw new Problem('not-found', `There is no domain ${id}.`);
    return found;
  }

  /** The new id; null when the name exists. */
  async add(tx: Tx, { name, sensitive }: NewDomain): Promise<number | null> {
    const [made] = await tx.query<{ id: number }[]>(
      'insert into domain (name, sensitive) values ($1, $2) on conflict (name) do nothing returning id',
      [name, sensitive],
    );
    return made?.id ?? null;
  }

  async findId(tx: Tx, name: string): Promise<number | null> {
    const [found] = await tx.query<{ id: number }[]>('select id from domain where name = $1', [name]);
    return found?.id ?? null;
  }

  /** Returns the previous values, locked until the transaction ends. Throws `not-found`. */
  async setSensitive(tx: Tx, id: number, sensitive: boolean): Promise<DomainView> {
    const [before] = await tx.query<DomainView[]>('select id, name, sensitive from domain where id = $1 for update', [
      id,
    ]);
    if (!before) throw new Problem('not-found', `There is no domain ${id}.`);
    await tx.query('update domain set sensitive = $2 where id = $1', [id, sensitive]);
    return before;
  }

  /**
   * Marks these names (lower case) as sensitive, adding missing ones. Returns the names that were not sensitive before.
   */
  markSensitive(tx: Tx, names: readonly string[]): Promise<{ id: number; name: string }[]> {
    return tx.query(
      `insert into domain (name, sensitive) select n, true from unnest($1::text[]) as n order by n
       on conflict (name) do update set sensitive = true where not domain.sensitive returning id, name`,
      [names],
    );
  }

  async list(tx: Tx, query: DomainQuery): Promise<Page<DomainView>> {
    const where = new Conditions();
    if (query.filter?.field === 'name' && query.filter.value !== '') {
      const pattern = likePattern(query.filter.value.toLowerCase());
      if (await areNamesFew(tx, 'domain_search', pattern))
        where.add(`id in (${idsNamed('domain_search', '?')})`, pattern);
    }
    if (query.sensitive !== undefined) where.add(query.sensitive ? 'sensitive' : 'not sensitive');
    return listPage(tx, listed, query, where);
  }
}

function byCertificate(linked: readonly LinkedDomain[]): Map<number, Domain[]> {
  const domains = new Map<number, Domain[]>();
  for (const { certificateId, ...domain } of linked)
    domains.set(certificateId, [...(domains.get(certificateId) ?? []), domain]);
  return domains;
}
