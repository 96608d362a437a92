import { Injectable } from '@nestjs/common';
import { Conditions } from '../platform/db/conditions.js';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';
import type { Page } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import type { AccountQuery } from './account.schema.js';
import type { Holder } from './role.schema.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { HeldRole } from '../platform/http/actor.js';

/** A user with its roles. */
export interface Account {
  id: number;
  username: string;
  email: string;
  active: boolean;
  tokenEpoch: number;
  /** In order of id. */
  roles: HeldRole[];
}

const columns = `
  u.id, u.username, u.email, u.active, u.token_epoch as "tokenEpoch", coalesce((
    select json_agg(json_build_object('id', r.id, 'name', r.name, 'permissions', r.permissions) order by r.id)
    from user_role ur join role r on r.id = ur.role_id where ur.user_id = u.id), '[]') as roles`;
const from = 'app_user u';
const select = `select ${columns} from ${from}`;

// The subquery hides the length of the array from the planner, so that one cached plan serves every number of ids.
const selectByIds = prepared<Account>('accounts', `${select} where u.id = any(array(select unnest($1::int[])))`);

const list: ListSource = {
  columns,
  from,
  sorts: {
    id: { sql: 'u.id', type: 'int' },
    username: { sql: 'lower(u.username)', type: 'text' },
    email: { sql: 'u.email', type: 'text' },
    active: { sql: 'u.active', type: 'boolean' },
  },
  filters: { id: whole('u.id'), username: words('u.username'), email: words('u.email'), active: truth('u.active') },
};

/** Every query that joins `app_user` and `role`. Each method is one statement. */
@Injectable()
export class AccountRepository {
  async find(tx: Tx, id: number): Promise<Account | null> {
    const [account] = await this.findMany(tx, [id]);
    return account ?? null;
  }

  /** In the order of `ids`; null for an unknown id. */
  async findMany(tx: Tx, ids: readonly number[]): Promise<(Account | null)[]> {
    const found = await selectByIds(tx, [[...new Set(ids)]]);
    const byId = new Map(found.map((account) => [account.id, account]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** Throws `not-found`. */
  async get(tx: Tx, id: number): Promise<Account> {
    const account = await this.find(tx, id);
    if (!account) throw new Problem('not-found', `There is no user ${id}.`);
    return account;
  }

  /** `onlyActive` excludes users who cannot sign in. */
  async list(tx: Tx, query: AccountQuery, onlyActive: boolean): Promise<Page<Account>> {
    const where = new Conditions();
    if (onlyActive) where.add('u.active');
    if (query.id !== undefined) where.add('u.id = ?', query.id);
    if (query.owner !== undefined) where.add('u.email = ?', query.owner);
    if (query.active !== undefined) where.add('u.active = ?', query.active);
    return listPage(tx, list, query, where);
  }

  /** The holders of each role, in order of id. A role without holders has no entry. */
  async holdersOf(tx: Tx, roleIds: readonly number[]): Promise<Map<number, Holder[]>> {
    const rows: { roleId: number; holders: Holder[] }[] = await tx.query(
      `select ur.role_id as "roleId", json_agg(json_build_object('id', u.id, 'username', u.username, 'email', u.email,
        'active', u.active) order by u.id) as holders
       from user_role ur join app_user u on u.id = ur.user_id where ur.role_id = any($1) group by 1`,
      [roleIds],
    );
    return new Map(rows.map(({ roleId, holders }) => [roleId, holders]));
  }

  async listOfRole(tx: Tx, roleId: number): Promise<Account[]> {
    return tx.query(`${select} where u.id in (select user_id from user_role where role_id = $1) order by u.id`, [
      roleId,
    ]);
  }

  /**
   * The distinct ids of the users that `references` name. Throws `invalid-request` on the first unknown one in `field`.
   */
  async locateIds(tx: Tx, field: string, references: readonly Reference[]): Promise<number[]> {
    const ids = new Set<number>();
    for (const [i, reference] of references.entries()) ids.add(await this.locateId(tx, `${field}.${i}`, reference));
    return [...ids];
  }

  /** As `locateIds`, for one reference. */
  async locateId(tx: Tx, field: string, reference: Reference): Promise<number> {
    const [user] =
      reference.id === undefined
        ? await tx.query<{ id: number }[]>('select id from app_user where lower(username) = lower($1)', [
            reference.name ?? reference.label,
          ])
        : await tx.query<{ id: number }[]>('select id from app_user where id = $1', [reference.id]);
    if (!user) throw invalid(field, `There is no user ${wordsOf(reference)}`);
    return user.id;
  }

  /** True while there is an active user who holds `admin` and not `read-only`, which would override it. */
  async hasAdministrator(tx: Tx): Promise<boolean> {
    const rows = await tx.query<unknown[]>(
      `select 1 from app_user u join user_role ur on ur.user_id = u.id join role r on r.id = ur.role_id
       where u.active and r.name in ('admin', 'read-only') group by u.id having bool_and(r.name = 'admin') limit 1`,
    );
    return rows.length > 0;
  }
}
