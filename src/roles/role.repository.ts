import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Page } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { Conditions } from '../platform/db/conditions.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Sealed } from '../platform/secrets/sealed.js';
import { orConflict } from '../users/or-conflict.js';
import { ownerPermissions, type RolePermission } from './permission.js';
import { isReserved } from './role-name.js';
import { Role } from './role.entity.js';
import type { RoleQuery } from './role.schema.js';
import { UserRole } from './user-role.entity.js';

export type RoleLabel = Pick<Role, 'id' | 'name'>;
export type NamedRole = Pick<Role, 'id' | 'name' | 'description'>;

const list: ListSource = {
  columns: 'id, name, description, third_party as "thirdParty", permissions, created_at as "createdAt"',
  from: 'role',
  sorts: {
    id: { sql: 'id', type: 'int' },
    name: { sql: 'lower(name)', type: 'text' },
    description: { sql: 'description', type: 'text' },
    thirdParty: { sql: 'third_party', type: 'boolean' },
  },
  filters: {
    id: whole('id'),
    name: words('name'),
    description: words('description'),
    thirdParty: truth('third_party'),
  },
};

const clashes = { role_name_unique: 'There is already a role with this name.' };

/** Every query on `role` and `user_role`, except the joins with users in AccountRepository. */
@Injectable()
export class RoleRepository {
  /** Throws `not-found`. */
  async get(tx: Tx, id: number): Promise<Role> {
    const role = await tx.findOneBy(Role, { id });
    if (!role) throw new Problem('not-found', `There is no role ${id}.`);
    return role;
  }

  async list(tx: Tx, query: RoleQuery): Promise<Page<Role>> {
    const where = new Conditions();
    if (query.id !== undefined) where.add('id = ?', query.id);
    if (query.owner !== undefined) where.add('lower(name) = ?', query.owner);
    return listPage(tx, list, query, where);
  }

  /** The distinct roles that `references` name. Throws `invalid-request` on the first unknown one in `field`. */
  async locate(tx: Tx, field: string, references: readonly Reference[]): Promise<NamedRole[]> {
    if (references.length === 0) return [];
    const ids = references.map(({ id }) => id).filter((id) => id !== undefined);
    const names = references.filter(({ id }) => id === undefined).map(nameIn);
    const found = await tx.query<NamedRole[]>(
      'select id, name, description from role where id = any($1::int[]) or ' +
        'lower(name) in (select lower(n) from unnest($2::text[]) n) order by id',
      [ids, names],
    );
    for (const [i, reference] of references.entries()) {
      if (!found.some((role) => isNamed(role, reference)))
        throw invalid(`${field}.${i}`, `There is no role ${wordsOf(reference)}`);
    }
    return found;
  }

  /** The role that `reference` names. Throws `invalid-request` on `field`. */
  async locateOne(tx: Tx, field: string, reference: Reference): Promise<RoleLabel> {
    const [found] = await tx.query<RoleLabel[]>(
      'select id, name from role where case when $1::int is null then lower(name) = lower($2) else id = $1 end',
      [reference.id ?? null, nameIn(reference) ?? null],
    );
    if (!found) throw invalid(field, `There is no role ${wordsOf(reference)}`);
    return found;
  }

  /**
   * The roles of these owners, in no particular order. Creates missing ones with `permissions`; existing ones stay
   * unchanged. Safe among concurrent callers. Throws `invalid-request` on a reserved name.
   */
  async ensure(
    tx: Tx,
    names: readonly string[],
    permissions: readonly RolePermission[] = ownerPermissions,
  ): Promise<RoleLabel[]> {
    const wanted = [...new Map(names.toReversed().map((name) => [name.toLowerCase(), name])).entries()].sort(
      ([a], [b]) => (a < b ? -1 : 1),
    );
    for (const [, name] of wanted) if (isReserved(name)) throw invalid('owner', `${name} is a reserved name`);
    const keys = wanted.map(([key]) => key);
    const existing = await this.findByName(tx, keys);
    if (existing.length === wanted.length) return existing;
    await tx.query(
      `insert into role (name, description, permissions) select n, 'Made for the owner ' || n || '.', $2::text[]
        from unnest($1::text[]) n on conflict do nothing`,
      [wanted.map(([, name]) => name), permissions],
    );
    return this.findByName(tx, keys);
  }

  /** The existing roles with these names, ignoring case, in no particular order. */
  async findByName(tx: Tx, keys: readonly string[]): Promise<RoleLabel[]> {
    return tx.query('select id, name from role where lower(name) in (select lower(n) from unnest($1::text[]) n)', [
      keys,
    ]);
  }

  /** As `findByName`, but only third-party roles. */
  async findThirdPartyByName(tx: Tx, keys: readonly string[]): Promise<RoleLabel[]> {
    return tx.query(
      'select id, name from role where third_party and lower(name) in (select lower(n) from unnest($1::text[]) n)',
      [keys],
    );
  }

  /** Creates third-party roles and returns them. Skips names that are taken. */
  async addThirdParty(tx: Tx, names: readonly string[]): Promise<RoleLabel[]> {
    return tx.query(
      `insert into role (name, description, third_party) select n, 'Made for the group ' || n || '.', true
        from unnest($1::text[]) n order by lower(n)
       on conflict do nothing returning id, name`,
      [names],
    );
  }

  /**
   * Creates missing roles; `roles` maps names to descriptions. A third-party role with such a name is first renamed to
   * `name (id)`, so that its holders gain no rights. Returns the renamed roles with their previous names.
   */
  async addBuiltIn(tx: Tx, roles: Readonly<Record<string, string>>): Promise<(RoleLabel & { before: string })[]> {
    const [renamed] = await tx.query<[(RoleLabel & { before: string })[]]>(
      `with taken as (select id, name from role where third_party and lower(name) = any($1::text[]) for update)
       update role r set name = format('%s (%s)', t.name, t.id) from taken t where r.id = t.id
         returning r.id, r.name, t.name as before`,
      [Object.keys(roles)],
    );
    await tx.query(
      'insert into role (name, description) select * from unnest($1::text[], $2::text[]) on conflict do nothing',
      [Object.keys(roles), Object.values(roles)],
    );
    return renamed;
  }

  /** Returns the new id. Throws `conflict` when the name is taken. */
  async add(
    tx: Tx,
    fields: Pick<Role, 'name' | 'description' | 'permissions'> & Partial<Omit<Role, 'id'>>,
  ): Promise<number> {
    const { identifiers } = await orConflict(tx.insert(Role, fields), clashes);
    return (identifiers as [{ id: number }])[0].id;
  }

  async change(
    tx: Tx,
    id: number,
    fields: Partial<Pick<Role, 'name' | 'description' | 'permissions' | 'username' | 'sealedPassword' | 'secretId'>>,
  ): Promise<void> {
    if (Object.values(fields).some((value) => value !== undefined))
      await orConflict(tx.update(Role, id, fields), clashes);
  }

  /** Null if the role has no stored password. */
  async sealedPasswordOf(tx: Tx, id: number): Promise<{ sealedPassword: Sealed; secretId: string } | null> {
    const role = await tx.findOne(Role, { where: { id }, select: { id: true, sealedPassword: true, secretId: true } });
    return role?.sealedPassword && role.secretId
      ? { sealedPassword: role.sealedPassword, secretId: role.secretId }
      : null;
  }

  /** Foreign keys remove the role from its holders and from linked objects. */
  async remove(tx: Tx, id: number): Promise<void> {
    await tx.delete(Role, id);
  }

  async setRolesOfUser(tx: Tx, userId: number, roleIds: readonly number[]): Promise<void> {
    await tx.delete(UserRole, { userId });
    await tx.query('insert into user_role (user_id, role_id) select $1, unnest($2::int[])', [userId, roleIds]);
  }

  /** Adds and removes roles; the other roles of the user stay. */
  async giveAndTake(
    tx: Tx,
    userId: number,
    { give, take }: { give: readonly number[]; take: readonly number[] },
  ): Promise<void> {
    await tx.query('delete from user_role where user_id = $1 and role_id = any($2::int[])', [userId, take]);
    await tx.query('insert into user_role (user_id, role_id) select $1, unnest($2::int[]) on conflict do nothing', [
      userId,
      give,
    ]);
  }

  async setUsersOfRole(tx: Tx, roleId: number, userIds: readonly number[]): Promise<void> {
    await tx.delete(UserRole, { roleId });
    await tx.query('insert into user_role (user_id, role_id) select unnest($1::int[]), $2', [userIds, roleId]);
  }

  /** Serializes changes of who is an administrator until `tx` ends. */
  async lockAdministration(tx: Tx): Promise<void> {
    await tx.query(`select id from role where name = 'admin' for update`);
  }
}

const nameIn = ({ name, label }: Reference): string | undefined => name ?? label;

// The id takes precedence: clients send whole objects back, and the name may be outdated.
function isNamed(role: RoleLabel, reference: Reference): boolean {
  if (reference.id !== undefined) return role.id === reference.id;
  return role.name.toLowerCase() === nameIn(reference)?.toLowerCase();
}
