import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { storable } from '../platform/text.js';
import { whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { Conditions } from '../platform/db/conditions.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { SourceSync, type SyncTrouble } from './source-sync.entity.js';

/** What one batch of findings adds to the counts of a sync. */
export interface SyncCounts {
  certificates: number;
  imported: number;
  endpoints: number;
  gone: number;
  troubles: readonly SyncTrouble[];
}

const mostTroubles = 100;
const mostKept = 50;
/** A source reports locations of any length. */
const longestText = 1000;

const list: ListSource = {
  columns: 'id',
  from: 'source_sync',
  sorts: { id: { sql: 'id', type: 'int' } },
  filters: { id: whole('id'), state: words('state') },
  order: { by: 'id', dir: 'desc' },
};

/** Every query on syncs. */
@Injectable()
export class SourceSyncRepository {
  find(tx: Tx, id: number): Promise<SourceSync | null> {
    return tx.findOneBy(SourceSync, { id });
  }

  async listOf(tx: Tx, sourceId: number, query: PageQuery): Promise<Page<SourceSync>> {
    const where = new Conditions();
    where.add('source_id = ?', sourceId);
    const page = await listPage<{ id: number }>(tx, list, query, where);
    const rows = new Map(
      (await tx.findBy(SourceSync, { id: In(page.items.map(({ id }) => id)) })).map((row) => [row.id, row]),
    );
    return { ...page, items: page.items.flatMap(({ id }) => rows.get(id) ?? []) };
  }

  /** The newest sync of each source, by the id of the source. */
  async newestOf(tx: Tx, sourceIds: readonly number[]): Promise<Map<number, SourceSync>> {
    const rows = await tx
      .createQueryBuilder(SourceSync, 's')
      .where('s.id in (select max(id) from source_sync where source_id = any(:ids) group by source_id)', {
        ids: [...sourceIds],
      })
      .getMany();
    return new Map(rows.map((row) => [row.sourceId, row]));
  }

  /**
   * Creates a sync for each source without an unfinished one. Returns the ids of all unfinished syncs of the sources.
   */
  async plan(tx: Tx, sourceIds: readonly number[], now: Date): Promise<number[]> {
    if (sourceIds.length === 0) return [];
    const rows = await tx.query<{ id: number }[]>(
      `insert into source_sync (source_id, state, created_at) select id, 'planned', $2 from unnest($1::int[]) as id
       order by id
       on conflict (source_id) where finished_at is null do update set state = source_sync.state returning id`,
      [sourceIds, now],
    );
    return rows.map(({ id }) => id);
  }

  /** Starts the sync, or starts it again with all counts at 0 after its worker died. False when it is finished. */
  async begin(tx: Tx, id: number, now: Date): Promise<boolean> {
    const [rows] = await tx.query<[unknown[], number]>(
      `update source_sync set state = 'running', started_at = $2, certificates = 0, imported = 0, endpoints = 0,
        gone = 0, troubles = 0, trouble_list = '[]'
       where id = $1 and finished_at is null returning id`,
      [id, now],
    );
    return rows.length > 0;
  }

  async count(tx: Tx, id: number, { certificates, imported, endpoints, gone, troubles }: SyncCounts): Promise<void> {
    const listed = troubles.slice(0, mostTroubles).map(({ location, detail }) => ({
      location: storable(location, longestText),
      detail: storable(detail, longestText),
    }));
    await tx.query(
      `update source_sync set certificates = certificates + $2, imported = imported + $3, endpoints = endpoints + $4,
        gone = gone + $5, troubles = troubles + $6,
         trouble_list = jsonb_path_query_array(trouble_list || $7::jsonb, '$[0 to ${mostTroubles - 1}]')
       where id = $1`,
      [id, certificates, imported, endpoints, gone, troubles.length, JSON.stringify(listed)],
    );
  }

  async finish(
    tx: Tx,
    { id, sourceId }: Pick<SourceSync, 'id' | 'sourceId'>,
    now: Date,
    failure?: { fault: string; detail: string },
  ): Promise<void> {
    await tx.query('update source_sync set state = $2, finished_at = $3, fault = $4, fault_detail = $5 where id = $1', [
      id,
      failure ? 'failed' : 'done',
      now,
      failure?.fault ?? null,
      failure?.detail ?? null,
    ]);
    await tx.query(
      'delete from source_sync where source_id = $1 and id < (select min(id) from (select id ' +
        'from source_sync where source_id = $1 order by id desc limit $2) as kept)',
      [sourceId, mostKept],
    );
  }
}
