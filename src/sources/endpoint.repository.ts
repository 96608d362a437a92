import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Config } from '../platform/config.js';
import { Conditions } from '../platform/db/conditions.js';
import type { Tx } from '../platform/db/database.js';
import { likePattern, type ListFilters, truthValue, unquoted, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import type { FoundTrouble } from '../plugin-api/source.js';
import { Endpoint } from './endpoint.entity.js';
import { isPartOf, parameterOf, type UnreadPart, unreadParts } from './unread-part.js';

/** The columns of an endpoint that a source reports. Its key is (external id, port). */
export type SeenEndpoint = Omit<
  Endpoint,
  'id' | 'sourceId' | 'faultDetail' | 'syncId' | 'unreadSyncId' | 'missed' | 'staleSince' | 'firstSeenAt' | 'lastSeenAt'
>;

/** An endpoint, and whether it is active. */
export interface EndpointRow {
  endpoint: Endpoint;
  active: boolean;
}

/** An endpoint as the views of sources and certificates name it. */
export interface EndpointName {
  id: number;
  name: string;
  dnsName: string;
  port: number;
  type: string;
  owner: string;
  lastSeenAt: Date | string;
  /** When the second complete scan in a row has not seen it; null until then. */
  staleSince: Date | string | null;
  /** The interval in seconds between scans of its source. */
  pollS: number;
}

/** The page of endpoints to list, and its filters. `owner` is in lower case. */
export type EndpointSelection = PageQuery & { owner?: string; active?: boolean; stale?: boolean };

/** Where a certificate is served: how many endpoints, the first names, and when the last of them was seen. */
export interface Serving {
  endpoints: number;
  servedAt: string[];
  seenAt: Date | null;
}

/** A stale endpoint is deleted when it has been stale for so long. */
const keptDays = 90;
const mostNamed = 100;
const unmissed = { faultDetail: null, unreadSyncId: null, missed: 0, staleSince: null };

/**
 * An endpoint last seen before this time is inactive, unless that is within three poll intervals of its source. A stale
 * endpoint is inactive at once.
 */
export function staleBefore({ endpointStaleAfterHours }: Pick<Config, 'endpointStaleAfterHours'>, now: Date): Date {
  return new Date(now.getTime() - endpointStaleAfterHours * 3_600_000);
}

/** SQL that is true for an active endpoint `e` of a source `s`. `before` comes from `staleBefore`. */
function activeAt(before: Date, now: Date): string {
  return (
    `e.stale_since is null and e.last_seen_at >= ` +
    `least('${before.toISOString()}'::timestamptz, '${now.toISOString()}'::timestamptz ` +
    `- s.poll_s * 3 * interval '1 second')`
  );
}

/** The same as `activeAt`, for an endpoint that has been read. */
export function isActive({ lastSeenAt, staleSince, pollS }: EndpointName, before: Date, now: Date): boolean {
  if (staleSince !== null) return false;
  return new Date(lastSeenAt).getTime() >= Math.min(before.getTime(), now.getTime() - pollS * 3000);
}

/** The arguments of SQL's `json_build_object` that make an `EndpointName`, from these row aliases. */
export function endpointNameColumns(endpoint: string, source: string): string {
  const members = { id: 'id', name: 'name', dnsName: 'dns_name', port: 'port', type: 'type', owner: 'owner' };
  return [
    ...Object.entries(members).map(([name, column]) => `'${name}', ${endpoint}.${column}`),
    `'lastSeenAt', ${endpoint}.last_seen_at, 'staleSince', ${endpoint}.stale_since, 'pollS', ${source}.poll_s`,
  ].join(', ');
}

function listOf(before: Date, now: Date): ListSource {
  const active = activeAt(before, now);
  const filters: ListFilters = {
    id: whole('e.id'),
    active: (where, value) => where.add(`(${active}) = ?`, truthValue(value)),
    stale: (where, value) => where.add('(e.stale_since is not null) = ?', truthValue(value)),
    port: whole('e.port'),
    ciphers: (where, value) =>
      where.add(
        `exists (select from jsonb_array_elements(e.ciphers) as c where c->>'name' ilike ?)`,
        likePattern(value),
      ),
    source: (where, value) =>
      /^\d{1,9}$/.test(value)
        ? where.add('e.source_id = ?', Number(value))
        : where.add('s.label ilike ?', likePattern(value)),
    name: (where, value) =>
      where.add(
        `(e.name ilike ? or e.dns_name ilike ? or exists (select from unnest(e.aliases) as a where a ilike ?))`,
        likePattern(value),
      ),
    dnsname: words('e.dns_name'),
    owner: words('e.owner'),
    type: words('e.type'),
    certificate: whole('e.certificate_id'),
    serial: (where, value) => where.add('e.served_serial_hex = ?', (unquoted(value) ?? value).toUpperCase()),
  };
  return {
    columns: `e.id, (${active}) as active`,
    from: 'endpoint e join source s on s.id = e.source_id',
    sorts: {
      id: { sql: 'e.id', type: 'int' },
      name: { sql: 'lower(e.name)', type: 'text' },
      dnsname: { sql: 'lower(e.dns_name)', type: 'text' },
      port: { sql: 'e.port', type: 'int' },
      lastUpdated: { sql: 'e.last_seen_at', type: 'timestamptz' },
    },
    filters,
  };
}

/** Every query on endpoints. */
@Injectable()
export class EndpointRepository {
  /** `before` comes from `staleBefore`. */
  async list(tx: Tx, query: EndpointSelection, before: Date, now: Date): Promise<Page<EndpointRow>> {
    const where = new Conditions();
    if (query.owner !== undefined) where.add('lower(e.owner) = ?', query.owner);
    if (query.active !== undefined) where.add(`(${activeAt(before, now)}) = ?`, query.active);
    if (query.stale !== undefined) where.add('(e.stale_since is not null) = ?', query.stale);
    return this.withRows(tx, await listPage<{ id: number; active: boolean }>(tx, listOf(before, now), query, where));
  }

  /** Throws Problem `not-found`. */
  async get(tx: Tx, id: number, before: Date, now: Date): Promise<EndpointRow> {
    const where = new Conditions();
    where.add('e.id = ?', id);
    const query = { page: 1, count: 1 };
    const {
      items: [row],
    } = await this.withRows(tx, await listPage<{ id: number; active: boolean }>(tx, listOf(before, now), query, where));
    if (!row) throw new Problem('not-found', `There is no endpoint ${id}.`);
    return row;
  }

  /** The names of the first hundred endpoints of each source, by id, and the number of all. */
  async namesOf(
    tx: Tx,
    sourceIds: readonly number[],
  ): Promise<Map<number, { endpoints: EndpointName[]; count: number }>> {
    const rows: { id: number; endpoints: EndpointName[]; count: number }[] = await tx.query(
      `select s.id, (select count(*)::int from endpoint where source_id = s.id) as count,
         (select coalesce(json_agg(json_build_object(${endpointNameColumns('e', 's')}) order by e.id), '[]')
          from (select * from endpoint where source_id = s.id order by id limit ${mostNamed}) as e) as endpoints
       from source s where s.id = any($1::int[])`,
      [sourceIds],
    );
    return new Map(rows.map(({ id, ...rest }) => [id, rest]));
  }

  /** Where each certificate is served, stale endpoints apart, with five names. Certificates with none are left out. */
  async serving(tx: Tx, certificateIds: readonly number[]): Promise<Map<number, Serving>> {
    const rows: (Serving & { id: number })[] = await tx.query(
      `select certificate_id as id, count(*)::int as endpoints, (array_agg(name order by id))[1:5] as "servedAt",
         max(last_seen_at) as "seenAt"
       from endpoint where certificate_id = any($1) and stale_since is null group by certificate_id`,
      [certificateIds],
    );
    return new Map(rows.map(({ id, ...rest }) => [id, rest]));
  }

  /**
   * How many active endpoints serve any of these certificates, and the names of the first five. `before` comes from
   * `staleBefore`.
   */
  async activeServing(
    tx: Tx,
    certificateIds: readonly number[],
    before: Date,
    now: Date,
  ): Promise<{ count: number; names: string[] }> {
    const [found] = await tx.query<[{ count: number; names: string[] }]>(
      `select count(*)::int as count, coalesce((array_agg(e.name order by e.id))[1:5], '{}') as names
       from endpoint e join source s on s.id = e.source_id where e.certificate_id = any($1)
       and ${activeAt(before, now)}`,
      [certificateIds],
    );
    return found;
  }

  /** The names of those of these endpoints that serve this certificate and are not stale, by id. */
  async namesServing(tx: Tx, certificateId: number, ids: readonly number[]): Promise<string[]> {
    const rows: { name: string }[] = await tx.query(
      'select name from endpoint where id = any($2) and certificate_id = $1 and stale_since is null order by id',
      [certificateId, ids],
    );
    return rows.map(({ name }) => name);
  }

  /** Stores the endpoints that the sync `syncId` has seen: they are not stale any more. */
  async see(
    tx: Tx,
    { sourceId, syncId }: { sourceId: number; syncId: number },
    seen: readonly SeenEndpoint[],
    now: Date,
  ): Promise<void> {
    // Only the last report of each endpoint: `on conflict do update` must not touch a row twice.
    const rows = [...new Map(seen.map((one) => [`${one.externalId}\n${one.port}`, one])).values()].sort((a, b) =>
      a.externalId < b.externalId ? -1 : 1,
    );
    if (rows.length === 0) return;
    await tx
      .createQueryBuilder()
      .insert()
      .into(Endpoint)
      .values(rows.map((one) => ({ ...one, sourceId, syncId, ...unmissed, firstSeenAt: now, lastSeenAt: now })))
      .orUpdate(
        [
          'name',
          'dns_name',
          'owner',
          'type',
          'aliases',
          'certificate_id',
          'served_sha256',
          'served_serial_hex',
          'served_not_after',
          'protocol',
          'cipher',
          'policy_name',
          'ciphers',
          'fault_detail',
          'last_seen_at',
          'sync_id',
          'unread_sync_id',
          'missed',
          'stale_since',
        ],
        ['source_id', 'external_id', 'port'],
      )
      .execute();
  }

  /**
   * Stores why the endpoints of a part of the source, by its `location`, are not seen in this sync. Unless the trouble
   * is that they do not answer, the sync counts no miss for them.
   */
  async miss(
    tx: Tx,
    { sourceId, syncId }: { sourceId: number; syncId: number },
    { detail, unanswered = false, ...part }: UnreadPart & Pick<FoundTrouble, 'detail' | 'unanswered'>,
  ): Promise<void> {
    await tx.query(
      `update endpoint e set fault_detail = $4, unread_sync_id = case when $5 then unread_sync_id else $2 end
       from ${unreadParts('$3', 'w')}
       where source_id = $1 and sync_id is distinct from $2 and ${isPartOf('e.external_id', 'w')}`,
      [sourceId, syncId, parameterOf([part]), detail, unanswered],
    );
  }

  /**
   * After a complete sync: counts a miss for each endpoint of the source that it has not seen, unless it could not read
   * the part in which the endpoint is. After two in a row the endpoint is stale; 90 days later it is deleted.
   */
  async noteMissed(tx: Tx, { sourceId, syncId }: { sourceId: number; syncId: number }, now: Date): Promise<void> {
    await tx.query(
      `update endpoint set missed = missed + 1, stale_since = case when missed > 0 then coalesce(stale_since, $3) end,
         fault_detail = coalesce(fault_detail, 'The source no longer reports it.')
       where source_id = $1 and sync_id is distinct from $2 and unread_sync_id is distinct from $2`,
      [sourceId, syncId, now],
    );
    await tx.query('delete from endpoint where source_id = $1 and stale_since < $2', [
      sourceId,
      new Date(now.getTime() - keptDays * 86_400_000),
    ]);
  }

  private async withRows(tx: Tx, page: Page<{ id: number; active: boolean }>): Promise<Page<EndpointRow>> {
    const rows = new Map(
      (await tx.findBy(Endpoint, { id: In(page.items.map(({ id }) => id)) })).map((row) => [row.id, row]),
    );
    return {
      ...page,
      items: page.items.flatMap(({ id, active }) => {
        const endpoint = rows.get(id);
        return endpoint ? [{ endpoint, active }] : [];
      }),
    };
  }
}
