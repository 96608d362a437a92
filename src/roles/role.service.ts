import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import type { Account } from './account.repository.js';
import { isAdmin } from './permission.js';
import { type Credentials, RoleCredentials } from './role-credentials.js';
import { RoleHolders } from './role-holders.js';
import { builtInRoles, RoleName } from './role-name.js';
import type { Role } from './role.entity.js';
import { RoleRenames } from './role-renames.js';
import { RoleRepository } from './role.repository.js';
import type { NewRole, RoleChanges } from './role.schema.js';

const isBuiltIn = ({ name }: Role): boolean => Object.hasOwn(builtInRoles, name);

/** Makes, changes and deletes roles. Reading one is for its holders and administrators. */
@Injectable()
export class RoleService {
  constructor(
    private readonly db: Database,
    private readonly roles: RoleRepository,
    private readonly holders: RoleHolders,
    private readonly credentials: RoleCredentials,
    private readonly renames: RoleRenames,
    private readonly audit: Audit,
  ) {}

  /** Throws `forbidden` unless the actor holds the role or is an administrator. */
  async read(actor: Actor, id: number): Promise<Role> {
    const role = await this.roles.get(this.db.single, id);
    if (!isAdmin(actor) && !actor.roles.some((held) => held.id === id)) {
      throw new Problem('forbidden', 'Only its holders and administrators may see a role.');
    }
    return role;
  }

  /** Throws as `read` does. */
  async credentialsOf(actor: Actor, id: number): Promise<Credentials> {
    return this.credentials.read(actor, await this.read(actor, id));
  }

  /** Who holds the role; for others than administrators, those of them who can sign in. Throws `not-found`. */
  async usersOf(actor: Actor, id: number): Promise<Account[]> {
    await this.roles.get(this.db.single, id);
    const users = await this.holders.list(this.db.single, id);
    return isAdmin(actor) ? users : users.filter(({ active }) => active);
  }

  /** Throws `conflict` when the name is taken, `invalid-request` when a user is unknown. */
  async create(actor: Actor, { users, username, password, ...fields }: NewRole): Promise<Role> {
    return this.db.write(async (tx) => {
      const id = await this.roles.add(tx, fields);
      await this.holders.set(tx, id, users);
      const kept = await this.credentials.write(tx, id, { username, password });
      const role = await this.roles.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'role.created',
        targetType: 'role',
        targetId: id,
        after: { ...(await this.recorded(tx, role)), ...kept },
      });
      return role;
    });
  }

  /**
   * Throws `conflict` for what a built-in or third-party role keeps, and when nobody would be left who can administer.
   */
  async change(actor: Actor, id: number, changes: RoleChanges): Promise<Role> {
    return this.db.write(async (tx) => {
      await this.roles.lockAdministration(tx);
      const role = await this.roles.get(tx, id);
      const before = await this.recorded(tx, role);
      await this.demandChangeable(tx, role, changes);
      const { name, description, permissions, users } = changes;
      await this.roles.change(tx, id, { name, description, permissions });
      if (name !== undefined && name !== role.name) await this.renames.renamed(tx, role.name, name);
      if (users) await this.holders.set(tx, id, users);
      const kept = await this.credentials.write(tx, id, changes);
      await this.holders.demandAdministrator(tx);
      const changed = await this.roles.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'role.changed',
        targetType: 'role',
        targetId: id,
        before,
        after: { ...(await this.recorded(tx, changed)), ...kept },
      });
      return changed;
    });
  }

  /**
   * Takes the role from its holders and objects. Throws `conflict` for a built-in role, and for a third-party one that
   * somebody holds.
   */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const role = await this.roles.get(tx, id);
      if (isBuiltIn(role)) throw new Problem('conflict', `${role.name} is built in.`);
      if (role.thirdParty && (await this.holders.list(tx, id)).length > 0)
        throw new Problem('conflict', `${role.name} is kept by a third party, and somebody holds it.`);
      const before = await this.recorded(tx, role);
      await this.roles.remove(tx, id);
      await this.audit.record(tx, actor, { action: 'role.deleted', targetType: 'role', targetId: id, before });
    });
  }

  private async demandChangeable(tx: Tx, role: Role, { name, permissions, users }: RoleChanges): Promise<void> {
    const renamed = name !== undefined && name !== role.name;
    if (renamed) demandFreeName(role, name);
    if (permissions && permissions.length > 0 && isBuiltIn(role))
      throw new Problem('conflict', `What ${role.name} permits is built in.`);
    if (!role.thirdParty) return;
    if (renamed || (users && !(await this.holders.are(tx, role.id, users))))
      throw new Problem('conflict', `The name and the holders of ${role.name} are kept by a third party.`);
  }

  private async recorded(tx: Tx, { id, name, description, permissions }: Role): Promise<object> {
    return { name, description, permissions, users: await this.holders.names(tx, id) };
  }
}

function demandFreeName(role: Role, name: string): void {
  if (isBuiltIn(role)) throw new Problem('conflict', `${role.name} is built in and keeps its name.`);
  const { error } = RoleName.safeParse(name);
  if (error) throw invalid('name', error.issues[0]?.message ?? 'Not valid');
}
