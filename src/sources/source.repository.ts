import { Injectable } from '@nestjs/common';
import { In, type SelectQueryBuilder } from 'typeorm';
import { setBackTimes, type StepBack } from '../jobs/step-back.js';
import type { Tx } from '../platform/db/database.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { Conditions } from '../platform/db/conditions.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { Source } from './source.entity.js';
import type { SourceQuery } from './source.schema.js';

const list: ListSource = {
  columns: 'id',
  from: 'source',
  sorts: {
    id: { sql: 'id', type: 'int' },
    label: { sql: 'lower(label)', type: 'text' },
    pluginName: { sql: 'plugin_id', type: 'text' },
    active: { sql: 'active', type: 'boolean' },
  },
  filters: {
    id: whole('id'),
    label: words('label'),
    description: words('description'),
    pluginName: words('plugin_id'),
    owner: words('owner'),
    active: truth('active'),
  },
};

/** Every query on sources. */
@Injectable()
export class SourceRepository {
  async get(tx: Tx, id: number): Promise<Source> {
    const found = await tx.findOneBy(Source, { id });
    if (!found) throw missing(id);
    return found;
  }

  find(tx: Tx, id: number): Promise<Source | null> {
    return tx.findOneBy(Source, { id });
  }

  /** Ignores case. Throws Problem `not-found`. */
  async getByLabel(tx: Tx, label: string): Promise<Source> {
    const found = await tx.createQueryBuilder(Source, 's').where('lower(s.label) = lower(:label)', { label }).getOne();
    if (!found) throw new Problem('not-found', `There is no source "${label}".`);
    return found;
  }

  async list(tx: Tx, query: SourceQuery): Promise<Page<Source>> {
    const where = new Conditions();
    if (query.owner !== undefined) where.add('lower(owner) = ?', query.owner);
    if (query.active !== undefined) where.add('active = ?', query.active);
    const page = await listPage<{ id: number }>(tx, list, query, where);
    return {
      ...page,
      items: await this.getMany(
        tx,
        page.items.map(({ id }) => id),
      ),
    };
  }

  /** The sources that exist, in the order of `ids`. */
  async getMany(tx: Tx, ids: readonly number[]): Promise<Source[]> {
    const rows = new Map((await tx.findBy(Source, { id: In([...ids]) })).map((row) => [row.id, row]));
    return ids.flatMap((id) => rows.get(id) ?? []);
  }

  /**
   * Active sources whose last scan failed, or whose last complete scan is older than twice the poll interval plus
   * `slackS` seconds; by label.
   */
  overdue(tx: Tx, now: Date, slackS: number): Promise<Source[]> {
    return overdueIn(tx, now, slackS).orderBy('lower(s.label)').getMany();
  }

  /** How many sources are in `overdue`. */
  countOverdue(tx: Tx, now: Date, slackS: number): Promise<number> {
    return overdueIn(tx, now, slackS).getCount();
  }

  /** The sources of a plugin, by id. */
  ofPlugin(tx: Tx, pluginId: string): Promise<Source[]> {
    return tx.find(Source, { where: { pluginId }, order: { id: 'ASC' } });
  }

  /** Every label, in no particular order. */
  async labels(tx: Tx): Promise<string[]> {
    return (await tx.query<{ label: string }[]>('select label from source')).map(({ label }) => label);
  }

  async isLabelTaken(tx: Tx, label: string): Promise<boolean> {
    const rows: unknown[] = await tx.query('select from source where lower(label) = lower($1)', [label]);
    return rows.length > 0;
  }

  /** Like `get`, and locks the row until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<Source> {
    const found = await this.findLocked(tx, id);
    if (!found) throw missing(id);
    return found;
  }

  findLocked(tx: Tx, id: number): Promise<Source | null> {
    return tx.findOne(Source, { where: { id }, lock: { mode: 'pessimistic_write' } });
  }

  async add(tx: Tx, source: Omit<Source, 'id' | 'recordSync' | 'recordFailure' | 'begin'>): Promise<Source> {
    return tx.save(tx.create(Source, source));
  }

  async save(tx: Tx, source: Source): Promise<void> {
    await tx.save(source);
  }

  /** Stores how far a source that reports only what is new has come. */
  async advance(tx: Tx, id: number, position: string): Promise<void> {
    await tx.update(Source, { id }, { position });
  }

  /** Deletes its syncs, endpoints and links to certificates too. The certificates stay. */
  async remove(tx: Tx, source: Source): Promise<void> {
    await tx.remove(source);
  }

  /** Sets back the next syncs. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'source', column: 'next_run_at' }), step);
  }

  /** Ids of at most `limit` due sources. They are due again at `again`, in case their job is lost. */
  async takeDue(tx: Tx, now: Date, { again, limit }: { again: Date; limit: number }): Promise<number[]> {
    const rows: [{ id: number }[], number] = await tx.query(
      `update source set next_run_at = $2 where id in (
         select id from source where next_run_at <= $1 order by next_run_at limit $3 for update skip locked)
           returning id`,
      [now, again, limit],
    );
    return rows[0].map((row) => row.id);
  }
}

function overdueIn(tx: Tx, now: Date, slackS: number): SelectQueryBuilder<Source> {
  return tx
    .createQueryBuilder(Source, 's')
    .where(
      's.active and (s.fault is not null or coalesce(s.last_run_at, s.created_at) < ' +
        ':now::timestamptz - make_interval(secs => :slackS + 2 * s.poll_s))',
      { now, slackS },
    );
}

function missing(id: number): Problem {
  return new Problem('not-found', `There is no source ${id}.`);
}
