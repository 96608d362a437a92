import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { countDependents, type Dependents } from '../platform/db/dependents.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { Destination } from './destination.entity.js';

const source: ListSource = {
  columns: 'id',
  from: 'destination',
  sorts: {
    id: { sql: 'id', type: 'int' },
    label: { sql: 'lower(label)', type: 'text' },
    pluginName: { sql: 'plugin_id', type: 'text' },
  },
  filters: {
    id: whole('id'),
    label: words('label'),
    description: words('description'),
    pluginName: words('plugin_id'),
  },
};

/** The facts that access rights on a destination depend on; roles ordered by id. */
export interface DestinationAccess {
  id: number;
  label: string;
  open: boolean;
  roles: { id: number; name: string; description: string }[];
}

/** Every query on destinations and their roles. */
@Injectable()
export class DestinationRepository {
  async get(tx: Tx, id: number): Promise<Destination> {
    const found = await tx.findOneBy(Destination, { id });
    if (!found) throw new Problem('not-found', `There is no destination ${id}.`);
    return found;
  }

  async list(tx: Tx, query: PageQuery): Promise<Page<Destination>> {
    const page = await listPage<{ id: number }>(tx, source, query);
    const rows = new Map(
      (await tx.findBy(Destination, { id: In(page.items.map((item) => item.id)) })).map((row) => [row.id, row]),
    );
    return { ...page, items: page.items.flatMap((item) => rows.get(item.id) ?? []) };
  }

  /** The existing destinations among these ids, ordered by id. */
  getMany(tx: Tx, ids: readonly number[]): Promise<Destination[]> {
    return tx.find(Destination, { where: { id: In([...ids]) }, order: { id: 'ASC' } });
  }

  /** All labels, unordered. */
  async labels(tx: Tx): Promise<string[]> {
    return (await tx.query<{ label: string }[]>('select label from destination')).map(({ label }) => label);
  }

  /** The destinations that `field` of a request names. */
  async resolve(tx: Tx, refs: readonly Reference[], field = 'destinations'): Promise<Destination[]> {
    if (refs.length === 0) return [];
    const rows = await tx
      .createQueryBuilder(Destination, 'd')
      .where('d.id = any(:ids) or lower(d.label) = any(select lower(x) from unnest(cast(:labels as text[])) x)', {
        ids: refs.flatMap(({ id }) => id ?? []),
        labels: refs.flatMap((ref) => (ref.id === undefined ? wordsOf(ref) : [])),
      })
      .getMany();
    const byLabel = new Map(rows.map((row) => [row.label.toLowerCase(), row]));
    const byId = new Map(rows.map((row) => [row.id, row]));
    return refs.map((ref, index) => {
      const one = ref.id === undefined ? byLabel.get(wordsOf(ref).toLowerCase()) : byId.get(ref.id);
      if (!one) throw invalid(`${field}.${index}`, `Unable to locate destination ${wordsOf(ref)}.`);
      return one;
    });
  }

  /** Access facts of the existing destinations among these ids, ordered by id. */
  accessOf(tx: Tx, ids: readonly number[]): Promise<DestinationAccess[]> {
    return tx.query(
      `select d.id, d.label, d.open, (select coalesce(json_agg(json_build_object('id', r.id, 'name', r.name,
         'description', r.description) order by r.id), '[]') from destination_role l join role r on r.id = l.role_id
         where l.destination_id = d.id) as roles
       from destination d where d.id = any($1) order by d.id`,
      [ids],
    );
  }

  async setRoles(tx: Tx, id: number, roleIds: readonly number[]): Promise<void> {
    await tx.query('delete from destination_role where destination_id = $1', [id]);
    await tx.query(
      'insert into destination_role (destination_id, role_id) select $1, r from unnest($2::int[]) as r ' +
        'on conflict do nothing',
      [id, roleIds],
    );
  }

  /** Ignores case. */
  findByLabel(tx: Tx, label: string): Promise<Destination | null> {
    return tx.createQueryBuilder(Destination, 'd').where('lower(d.label) = lower(:label)', { label }).getOne();
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<Destination> {
    const found = await tx.findOne(Destination, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw new Problem('not-found', `There is no destination ${id}.`);
    return found;
  }

  async add(tx: Tx, destination: Omit<Destination, 'id'>): Promise<Destination> {
    return tx.save(tx.create(Destination, destination));
  }

  async save(tx: Tx, destination: Destination): Promise<void> {
    await tx.save(destination);
  }

  /** The certificates that are at the destination, or are to be delivered to it or removed from it. */
  standingAt(tx: Tx, id: number): Promise<Dependents> {
    const where = `id in (select certificate_id from delivery where destination_id = $1
      and state not in ('removed', 'replaced', 'stopped', 'left'))`;
    return countDependents(tx, { kind: 'certificate', name: 'id', where }, id);
  }

  /** Also forgets past deliveries. Fails on a foreign key while a certificate is deployed there. */
  async remove(tx: Tx, destination: Destination): Promise<void> {
    await tx.remove(destination);
  }
}
