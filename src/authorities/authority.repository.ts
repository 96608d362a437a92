import { Injectable } from '@nestjs/common';
import { In, IsNull, Not } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import type { KeyRef } from '../platform/keys/key-store.js';
import type { Page } from '../platform/http/page.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { Conditions } from '../platform/db/conditions.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { maySeeEveryAuthority } from '../roles/permission.js';
import { type LabelledAuthority, labelColumns } from './authority-label.js';
import { Authority, type NewAuthority } from './authority.entity.js';
import type { CaChain } from './ca-chain.js';
import type { AuthorityCreator, AuthorityQuery, AuthorityRole } from './authority.schema.js';
import type { Limits } from './limits.js';

/** Who reads. An ordinary user sees the authorities that they made or hold a role of. */
export interface Viewer {
  userId: number;
  roleIds: readonly number[];
  all: boolean;
}

const source: Omit<ListSource, 'from'> = {
  columns: 'id',
  sorts: {
    id: { sql: 'id', type: 'int' },
    name: { sql: 'lower(name)', type: 'text' },
    owner: { sql: 'lower(owner)', type: 'text' },
    active: { sql: 'active', type: 'boolean' },
    cn: { sql: 'lower(common_name)', type: 'text' },
    notAfter: { sql: 'not_after', type: 'timestamptz' },
  },
  filters: {
    id: whole('id'),
    name: words('name'),
    owner: words('owner'),
    description: words('description'),
    cn: words('common_name'),
    active: truth('active'),
    plugin: words('plugin_id'),
    pluginName: words('plugin_id'),
  },
};

/** A certificate of an authority, and its key. */
export interface AuthorityWithKey extends Pick<Authority, 'id' | 'publicId' | 'certificatePem'> {
  keyId: KeyRef;
}

export function viewerOf(actor: Actor): Viewer {
  return { userId: actor.userId, roleIds: actor.roles.map((role) => role.id), all: maySeeEveryAuthority(actor) };
}

/** For `where`. The ids come from the database, so they may be part of the SQL. */
export function visible({ all, userId, roleIds }: Viewer): string {
  if (all) return 'true';
  return `(authority.creator_id = ${userId} or exists (
    select from authority_role ar where ar.authority_id = authority.id
      and ar.role_id = any('{${roleIds.join(',')}}')))`;
}

/** SQL for the limits, as JSON, of the authority in this row and of all authorities above it together. */
export function limitsOf(row: string): string {
  return `(with recursive above(parent_id, days, cab) as (
      select ${row}.parent_id, ${row}.max_validity_days, ${row}.is_cab_compliant
      union all select p.parent_id, p.max_validity_days, p.is_cab_compliant from above
      join authority p on p.id = above.parent_id)
    select json_build_object('maxDays', min(days), 'publicTls', coalesce(bool_or(cab), false)) from above)`;
}

/** Every query on authorities and their roles. */
@Injectable()
export class AuthorityRepository {
  async get(tx: Tx, id: number): Promise<Authority> {
    const found = await tx.findOneBy(Authority, { id });
    if (!found) throw new Problem('not-found', `There is no authority ${id}.`);
    return found;
  }

  /** The authority with this public id whose key is here, or null. */
  async findPublic(tx: Tx, publicId: string): Promise<Authority | null> {
    return tx.findOneBy(Authority, { publicId, keyId: Not(IsNull()) });
  }

  /** Every certificate of an authority whose key is here. */
  withKeys(tx: Tx): Promise<AuthorityWithKey[]> {
    return tx.query(
      `select a.id, a.public_id as "publicId", c.certificate_pem as "certificatePem", c.key_id as "keyId"
       from authority a join (select id as authority_id, certificate_pem, key_id from authority
         union select authority_id, certificate_pem, key_id from authority_issuer) c on c.authority_id = a.id
       where c.key_id is not null order by a.id, c.key_id`,
    );
  }

  /** The certificates of CAs with one of these serial numbers, whoever signed them. */
  ofSerials(tx: Tx, serials: readonly string[]): Promise<(CaChain & Pick<Authority, 'serialHex' | 'notAfter'>)[]> {
    return tx.query(
      `select serial_hex as "serialHex", certificate_pem as "certificatePem", chain_pem as "chainPem",
         not_after as "notAfter" from authority where serial_hex = any($1)
       union select serial_hex, certificate_pem, chain_pem, not_after from authority_issuer where serial_hex = any($1)`,
      [serials],
    );
  }

  async find(tx: Tx, ref: Reference): Promise<Authority | null> {
    if (ref.id !== undefined) return tx.findOneBy(Authority, { id: ref.id });
    return tx
      .createQueryBuilder(Authority, 'a')
      .where('lower(a.name) = lower(:name)', { name: wordsOf(ref) })
      .getOne();
  }

  /** A text that every change of the authority, its roles and the authorities above it changes. Throws `not-found`. */
  async stamp(tx: Tx, id: number, lock: '' | 'for share of a' = ''): Promise<string> {
    return (await this.stamps(tx, [id], lock))[0] as string;
  }

  /** As `stamp` for many, in the order of `ids`. */
  async stamps(tx: Tx, ids: readonly number[], lock: '' | 'for share of a' = ''): Promise<string[]> {
    const found = await tx.query<{ id: number; stamp: string }[]>(
      `select a.id, concat_ws(' ', a.version, (select json_agg(json_build_array(r.id, r.name) order by r.id)
         from authority_role ar join role r on r.id = ar.role_id where ar.authority_id = a.id)) as stamp
       from authority a where a.id = any($1::int[]) ${lock}`,
      [ids],
    );
    const byId = new Map(found.map(({ id, stamp }) => [id, stamp]));
    return ids.map((id) => {
      const stamp = byId.get(id);
      if (stamp === undefined) throw new Problem('not-found', `There is no authority ${id}.`);
      return stamp;
    });
  }

  async list(tx: Tx, query: AuthorityQuery, viewer: Viewer): Promise<Page<Authority>> {
    const where = new Conditions();
    if (query.owner !== undefined) where.add('lower(owner) = ?', query.owner);
    if (query.active !== undefined) where.add('active = ?', query.active);
    const { profile } = query;
    if (profile !== undefined)
      where.add(
        `exists (select from profile p where ? in (p.id::text, lower(p.name))
          and (p.id = default_profile_id or p.id = any(allowed_profile_ids)))`,
        profile.toLowerCase(),
      );
    where.add(visible(viewer));
    const page = await listPage<{ id: number }>(tx, { ...source, from: 'authority' }, query, where);
    const rows = new Map(
      (await tx.findBy(Authority, { id: In(page.items.map((item) => item.id)) })).map((row) => [row.id, row]),
    );
    return { ...page, items: page.items.flatMap((item) => rows.get(item.id) ?? []) };
  }

  /** All authorities, in order of id. There are few. */
  all(tx: Tx): Promise<Authority[]> {
    return tx.find(Authority, { order: { id: 'ASC' } });
  }

  /** The names of those of these authorities that are not active, by their ids. */
  async inactiveNames(tx: Tx, ids: readonly number[]): Promise<Map<number, string>> {
    const rows: { id: number; name: string }[] = await tx.query(
      'select id, name from authority where id = any($1) and not active',
      [ids],
    );
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  async isVisible(tx: Tx, id: number, viewer: Viewer): Promise<boolean> {
    const rows: unknown[] = await tx.query(`select from authority where id = $1 and ${visible(viewer)}`, [id]);
    return rows.length > 0;
  }

  /** Throws `not-found`, with the same text whether the authority does not exist or the viewer may not see it. */
  async demandVisible(tx: Tx, id: number, viewer: Viewer): Promise<void> {
    if (!(await this.isVisible(tx, id, viewer))) throw new Problem('not-found', `There is no authority ${id}.`);
  }

  /** The authority and the authorities below it that the viewer sees, at most `most`, in order of id. */
  family(tx: Tx, id: number, viewer: Viewer, most: number): Promise<Pick<Authority, 'id' | 'name' | 'parentId'>[]> {
    return tx.query(
      `with recursive family(id, name, parent_id) as (
         select id, name, null::int from authority where id = $1 union
         select a.id, a.name, a.parent_id from family f join (select * from authority
           where ${visible(viewer)}) a on a.parent_id = f.id)
       select id, name, parent_id as "parentId" from family order by id limit $2`,
      [id, most],
    );
  }

  async add(tx: Tx, authority: NewAuthority, roleIds: readonly number[]): Promise<Authority> {
    const saved = await tx.save(tx.create(Authority, authority));
    await this.linkRoles(tx, saved.id, roleIds);
    return saved;
  }

  /** Throws when something depends on it. */
  async delete(tx: Tx, id: number): Promise<void> {
    await tx.delete(Authority, { id });
  }

  async lock(tx: Tx, id: number): Promise<Authority> {
    const authority = await tx.findOne(Authority, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!authority) throw new Problem('not-found', `There is no authority ${id}.`);
    return authority;
  }

  /** Raises the version, also of the authorities below it, because its limits bind them. */
  async save(tx: Tx, authority: Authority): Promise<void> {
    await tx.save(authority);
    await tx.query(
      `with recursive below(id) as (select $1::int union all select a.id from below
        join authority a on a.parent_id = below.id)
       update authority set version = version + 1 where id in (select id from below)`,
      [authority.id],
    );
  }

  /** A renewed CA and those above it take the place of the earlier ones in the chains of the authorities below it. */
  async replaceInChains(tx: Tx, beforePem: string, { certificatePem, chainPem }: CaChain): Promise<void> {
    const chain = 'chain_pem[:array_position(chain_pem, $1) - 1] || $2::text[]';
    await tx.query(
      `with issuer as (
         update authority_issuer set chain_pem = ${chain} where $1 = any(chain_pem) returning authority_id)
       update authority set version = version + 1,
         chain_pem = case when $1 = any(chain_pem) then ${chain} else chain_pem end
       where $1 = any(chain_pem) or id in (select authority_id from issuer)`,
      [beforePem, [certificatePem, ...chainPem]],
    );
  }

  /** The authorities that have certified it: its parent first, then those that have signed it too. */
  async signersOf(tx: Tx, { id, parentId }: Pick<Authority, 'id' | 'parentId'>): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select distinct signer_id as id from authority_issuer
       where authority_id = $1 and signer_id is not null order by 1`,
      [id],
    );
    return [...new Set([...(parentId === null ? [] : [parentId]), ...rows.map((row) => row.id)])];
  }

  /** The authorities above it, the nearest first. */
  aboveOf(tx: Tx, { parentId }: Pick<Authority, 'parentId'>): Promise<Pick<Authority, 'id' | 'isPrivate'>[]> {
    return tx.query(
      `with recursive above as (
         select id, parent_id, is_private, 1 as step from authority where id = $1
         union all select p.id, p.parent_id, p.is_private, step + 1 from above
         join authority p on p.id = above.parent_id)
       select id, is_private as "isPrivate" from above order by step`,
      [parentId],
    );
  }

  /** The limits of the authority and of all authorities above it together. */
  async limitsOf(tx: Tx, id: number): Promise<Limits> {
    return (await this.limitsOfMany(tx, [id]))(id);
  }

  /** As `limitsOf`, for each of these ids. */
  async limitsOfMany(tx: Tx, ids: readonly number[]): Promise<(id: number) => Limits> {
    const rows: { id: number; limits: Limits }[] = await tx.query(
      `select a.id, ${limitsOf('a')} as limits from authority a where a.id = any($1)`,
      [ids],
    );
    const found = new Map(rows.map(({ id, limits }) => [id, limits]));
    return (id) => {
      const limits = found.get(id);
      if (!limits) throw new Problem('not-found', `There is no authority ${id}.`);
      return limits;
    };
  }

  async setRoles(tx: Tx, id: number, roleIds: readonly number[]): Promise<void> {
    await tx.query('delete from authority_role where authority_id = $1', [id]);
    await this.linkRoles(tx, id, roleIds);
  }

  /** The user who made each of these authorities, if known. */
  async creatorsOf(tx: Tx, ids: readonly number[]): Promise<Map<number, AuthorityCreator>> {
    const rows: { authorityId: number; user: AuthorityCreator }[] = await tx.query(
      `select a.id as "authorityId", json_build_object('id', u.id, 'username', u.username, 'email', u.email,
        'active', u.active) as user
       from authority a join app_user u on u.id = a.creator_id where a.id = any($1)`,
      [ids],
    );
    return new Map(rows.map(({ authorityId, user }) => [authorityId, user]));
  }

  /** The authorities that each of these roles belongs to, in order of id. */
  async ofRoles(tx: Tx, roleIds: readonly number[]): Promise<Map<number, LabelledAuthority[]>> {
    const rows: { roleId: number; authorities: LabelledAuthority[] }[] = await tx.query(
      `select ar.role_id as "roleId", json_agg(${labelColumns('a', limitsOf('a'))} order by a.id) as authorities
       from authority_role ar join authority a on a.id = ar.authority_id where ar.role_id = any($1) group by 1`,
      [roleIds],
    );
    return new Map(rows.map(({ roleId, authorities }) => [roleId, authorities]));
  }

  async rolesOfOne(tx: Tx, id: number): Promise<AuthorityRole[]> {
    return (await this.rolesOf(tx, [id])).get(id) ?? [];
  }

  async rolesOf(tx: Tx, ids: readonly number[]): Promise<Map<number, AuthorityRole[]>> {
    const rows: (AuthorityRole & { authorityId: number })[] = await tx.query(
      `select ar.authority_id as "authorityId", r.id, r.name, r.description
       from authority_role ar join role r on r.id = ar.role_id where ar.authority_id = any($1) order by r.id`,
      [ids],
    );
    return new Map(
      ids.map((id) => [
        id,
        rows
          .filter((row) => row.authorityId === id)
          .map((row) => ({ id: row.id, name: row.name, description: row.description })),
      ]),
    );
  }

  private async linkRoles(tx: Tx, id: number, roleIds: readonly number[]): Promise<void> {
    await tx.query(
      'insert into authority_role (authority_id, role_id) select $1, r from ' +
        'unnest($2::int[]) as r on conflict do nothing',
      [id, roleIds],
    );
  }
}
