import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import type { Reference } from '../platform/http/reference.js';
import { type Account, AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { isAdmin } from './permission.js';
import { type Credentials, RoleCredentials } from './role-credentials.js';
import { builtInRoles, RoleName } from './role-name.js';
import type { Role } from './role.entity.js';
import { RoleRenames } from './role-renames.js';
import { RoleRepository } from './role.repository.js';
import type { NewRole, RoleChanges } from './role.schema.js';

const isBuiltIn = ({ name }: Role): boolean => Object.hasOwn(builtInRoles, name);

/** Creates, reads, changes and deletes roles. Only holders of a role and administrators may read it. */
@Injectable()
export class RoleService {
  constructor(
    private readonly db: Database,
    private readonly roles: RoleRepository,
    private readonly accounts: AccountRepository,
    private readonly accountService: AccountService,
    private readonly credentials: RoleCredentials,
    private readonly renames: RoleRenames,
    private readonly audit: Audit,
  ) {}

  /** Throws `forbidden` unless the actor holds the role or is an administrator. */
  async read(actor: Actor, id: number): Promise<Role> {
    const role = await this.roles.get(this.db.single, id);
    if (!isAdmin(actor) && !actor.roles.some((held) => held.id === id)) {
      throw new Problem('forbidden', 'Only holders of a role and administrators may see it.');
    }
    return role;
  }

  /** Throws as `read` does. */
  async credentialsOf(actor: Actor, id: number): Promise<Credentials> {
    return this.credentials.read(actor, await this.read(actor, id));
  }

  /** The holders of the role. Inactive users are returned to administrators only. Throws `not-found`. */
  async usersOf(actor: Actor, id: number): Promise<Account[]> {
    await this.roles.get(this.db.single, id);
    const users = await this.accounts.listOfRole(this.db.single, id);
    return isAdmin(actor) ? users : users.filter(({ active }) => active);
  }

  /** Throws `conflict` when the name is taken, `invalid-request` when a user is unknown. */
  async create(actor: Actor, { users, username, password, ...fields }: NewRole): Promise<Role> {
    return this.db.write(async (tx) => {
      const id = await this.roles.add(tx, fields);
      await this.setHolders(tx, id, users);
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
   * Throws `conflict` for the fixed properties of a built-in or third-party role, and when no administrator would be
   * left.
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
      if (users) await this.setHolders(tx, id, users);
      const kept = await this.credentials.write(tx, id, changes);
      await this.accountService.demandAdministrator(tx);
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
   * Removes the role from its holders and from linked objects, then deletes it. Throws `conflict` for a built-in role
   * and for a third-party role that has holders.
   */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const role = await this.roles.get(tx, id);
      if (isBuiltIn(role)) throw new Problem('conflict', `${role.name} is built in.`);
      if (role.thirdParty && (await this.accounts.listOfRole(tx, id)).length > 0)
        throw new Problem('conflict', `${role.name} is managed by a third party and has holders.`);
      const before = await this.recorded(tx, role);
      await this.roles.remove(tx, id);
      await this.audit.record(tx, actor, { action: 'role.deleted', targetType: 'role', targetId: id, before });
    });
  }

  private async demandChangeable(tx: Tx, role: Role, { name, permissions, users }: RoleChanges): Promise<void> {
    const renamed = name !== undefined && name !== role.name;
    if (renamed) demandFreeName(role, name);
    if (permissions && permissions.length > 0 && isBuiltIn(role))
      throw new Problem('conflict', `The permissions of ${role.name} are built in.`);
    if (!role.thirdParty) return;
    if (renamed || (users && !(await this.isHeldByExactly(tx, role.id, users))))
      throw new Problem('conflict', `The name and the holders of ${role.name} are managed by a third party.`);
  }

  /** Throws `invalid-request` for a user who does not exist. */
  private async setHolders(tx: Tx, id: number, users: readonly Reference[]): Promise<void> {
    await this.roles.setUsersOfRole(tx, id, await this.accounts.locateIds(tx, 'users', users));
  }

  /** Throws as `setHolders` does. */
  private async isHeldByExactly(tx: Tx, id: number, users: readonly Reference[]): Promise<boolean> {
    const wanted = await this.accounts.locateIds(tx, 'users', users);
    const held = (await this.accounts.listOfRole(tx, id)).map((account) => account.id);
    return wanted.length === held.length && wanted.every((userId) => held.includes(userId));
  }

  private async recorded(tx: Tx, { id, name, description, permissions }: Role): Promise<object> {
    const users = (await this.accounts.listOfRole(tx, id)).map(({ username }) => username);
    return { name, description, permissions, users };
  }
}

function demandFreeName(role: Role, name: string): void {
  if (isBuiltIn(role)) throw new Problem('conflict', `${role.name} is built in and keeps its name.`);
  const { error } = RoleName.safeParse(name);
  if (error) throw invalid('name', error.issues[0]?.message ?? 'Not valid');
}
