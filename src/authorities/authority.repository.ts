import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { Conditions } from '../platform/db/conditions.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { Authority } from './authority.entity.js';
import type { AuthorityQuery } from './authority.schema.js';

export interface LinkedRole { id: number; name: string; description: string }
/** Who looks: an ordinary user sees what they made or hold a role of. */
export interface Viewer { userId: number; roleIds: readonly number[]; all: boolean }

const source: Omit<ListSource, 'from'> = {
  columns: 'id',
  sorts: {
    id: { sql: 'id', type: 'int' }, name: { sql: 'lower(name)', type: 'text' }, owner: { sql: 'lower(owner)', type: 'text' },
    active: { sql: 'active', type: 'boolean' }, cn: { sql: 'lower(common_name)', type: 'text' }, notAfter: { sql: 'not_after', type: 'timestamptz' },
  },
  filters: {
    id: whole('id'), name: words('name'), owner: words('owner'), description: words('description'), cn: words('common_name'), active: truth('active'),
    plugin: words('plugin_id'),
  },
};

/** For `where`; the numbers are ours, so they can stand in the text. */
function visible({ all, userId, roleIds }: Viewer): string {
  if (all) return 'true';
  return `(authority.creator_id = ${userId} or exists (
    select from authority_role ar where ar.authority_id = authority.id and ar.role_id = any('{${roleIds.join(',')}}')))`;
}

/** Every query on authorities and their roles. */
@Injectable()
export class AuthorityRepository {
  async get(tx: Tx, id: number): Promise<Authority> {
    const found = await tx.findOneBy(Authority, { id });
    if (!found) throw new Problem('not-found', `There is no authority ${id}.`);
    return found;
  }

  async find(tx: Tx, ref: Reference): Promise<Authority | null> {
    if (ref.id !== undefined) return tx.findOneBy(Authority, { id: ref.id });
    return tx.createQueryBuilder(Authority, 'a').where('lower(a.name) = lower(:name)', { name: wordsOf(ref) }).getOne();
  }

  async list(tx: Tx, query: AuthorityQuery, viewer: Viewer): Promise<Page<Authority>> {
    const where = new Conditions();
    if (query.owner !== undefined) where.add('lower(owner) = ?', query.owner);
    if (query.active !== undefined) where.add('active = ?', query.active);
    where.add(visible(viewer));
    const page = await listPage<{ id: number }>(tx, { ...source, from: 'authority' }, query, where);
    const rows = new Map((await tx.findBy(Authority, { id: In(page.items.map((item) => item.id)) })).map((row) => [row.id, row]));
    return { ...page, items: page.items.flatMap((item) => rows.get(item.id) ?? []) };
  }

  /** Every one, in the order of their ids. There are few. */
  all(tx: Tx): Promise<Authority[]> {
    return tx.find(Authority, { order: { id: 'ASC' } });
  }

  async isVisible(tx: Tx, id: number, viewer: Viewer): Promise<boolean> {
    const rows: unknown[] = await tx.query(`select from authority where id = $1 and ${visible(viewer)}`, [id]);
    return rows.length > 0;
  }

  /** The authority and those below it that the viewer sees, at most `most`, in the order of their ids. */
  family(tx: Tx, id: number, viewer: Viewer, most: number): Promise<Pick<Authority, 'id' | 'name' | 'parentId'>[]> {
    return tx.query(
      `with recursive family(id, name, parent_id) as (
         select id, name, null::int from authority where id = $1 union
         select a.id, a.name, a.parent_id from family f join (select * from authority where ${visible(viewer)}) a on a.parent_id = f.id)
       select id, name, parent_id as "parentId" from family order by id limit $2`, [id, most]);
  }

  async add(tx: Tx, authority: Omit<Authority, 'id'>, roleIds: readonly number[]): Promise<Authority> {
    const saved = await tx.save(tx.create(Authority, authority));
    await this.linkRoles(tx, saved.id, roleIds);
    return saved;
  }

  /** Locks the row, lets `work` change it, saves it under the next version. */
  async change(tx: Tx, id: number, work: (authority: Authority) => void | Promise<void>): Promise<Authority> {
    const authority = await tx.findOne(Authority, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!authority) throw new Problem('not-found', `There is no authority ${id}.`);
    await work(authority);
    authority.version += 1;
    return tx.save(authority);
  }

  async setRoles(tx: Tx, id: number, roleIds: readonly number[]): Promise<void> {
    await tx.query('delete from authority_role where authority_id = $1', [id]);
    await this.linkRoles(tx, id, roleIds);
  }

  async rolesOf(tx: Tx, ids: readonly number[]): Promise<Map<number, LinkedRole[]>> {
    const rows: (LinkedRole & { authorityId: number })[] = await tx.query(
      `select ar.authority_id as "authorityId", r.id, r.name, r.description
       from authority_role ar join role r on r.id = ar.role_id where ar.authority_id = any($1) order by r.id`, [ids]);
    return new Map(ids.map((id) => [id, rows.filter((row) => row.authorityId === id)
      .map((row) => ({ id: row.id, name: row.name, description: row.description }))]));
  }

  private async linkRoles(tx: Tx, id: number, roleIds: readonly number[]): Promise<void> {
    await tx.query(
      'insert into authority_role (authority_id, role_id) select $1, r from unnest($2::int[]) as r on conflict do nothing', [id, roleIds]);
  }
}
