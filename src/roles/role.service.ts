import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Account, AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { isAdmin } from './permission.js';
import { builtInRoles, RoleName } from './role-name.js';
import type { Role } from './role.entity.js';
import { RoleRepository } from './role.repository.js';
import type { NewRole, RoleChanges } from './role.schema.js';

const isBuiltIn = ({ name }: Role): boolean => Object.hasOwn(builtInRoles, name);

/** Makes, changes and deletes roles. Reading one is for its holders and administrators. */
@Injectable()
export class RoleService {
  constructor(
    private readonly db: Database,
    private readonly roles: RoleRepository,
    private readonly accounts: AccountRepository,
    private readonly accountService: AccountService,
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
  async usersOf(actor: Actor, id: number): Promise<Account[]> {
    await this.read(actor, id);
    return this.accounts.listOfRole(this.db.single, id);
  }

  /** Throws `conflict` when the name is taken, `invalid-request` when a user is unknown. */
  async create(actor: Actor, { users, ...fields }: NewRole): Promise<Role> {
    return this.db.write(async (tx) => {
      const id = await this.roles.add(tx, fields);
      await this.roles.setUsersOfRole(tx, id, await this.accounts.locateIds(tx, 'users', users));
      const role = await this.roles.get(tx, id);
      await this.audit.record(tx, actor, { action: 'role.created', targetType: 'role', targetId: id, after: await this.recorded(tx, role) });
      return role;
    });
  }

  /** Throws `conflict` for a new name of a built-in role, and when nobody would be left who can administer. */
  async change(actor: Actor, id: number, { name, description, permissions, users }: RoleChanges): Promise<Role> {
    return this.db.write(async (tx) => {
      await this.roles.lockAdministration(tx);
      const role = await this.roles.get(tx, id);
      const before = await this.recorded(tx, role);
      if (name !== undefined && name !== role.name) demandFreeName(role, name);
      if (permissions && permissions.length > 0 && isBuiltIn(role)) throw new Problem('conflict', `What ${role.name} permits is built in.`);
      await this.roles.change(tx, id, { name, description, permissions });
      if (users) await this.roles.setUsersOfRole(tx, id, await this.accounts.locateIds(tx, 'users', users));
      await this.accountService.demandAdministrator(tx);
      const changed = await this.roles.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'role.changed', targetType: 'role', targetId: id, before, after: await this.recorded(tx, changed) });
      return changed;
    });
  }

  /** Takes the role from its holders and objects. Throws `conflict` for a built-in role. */
  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const role = await this.roles.get(tx, id);
      if (isBuiltIn(role)) throw new Problem('conflict', `${role.name} is built in.`);
      const before = await this.recorded(tx, role);
      await this.roles.remove(tx, id);
      await this.audit.record(tx, actor, { action: 'role.deleted', targetType: 'role', targetId: id, before });
    });
  }

  private async recorded(tx: Tx, { id, name, description, permissions }: Role): Promise<object> {
    const users = await this.accounts.listOfRole(tx, id);
    return { name, description, permissions, users: users.map(({ username }) => username) };
  }
}

function demandFreeName(role: Role, name: string): void {
  if (isBuiltIn(role)) throw new Problem('conflict', `${role.name} is built in and keeps its name.`);
  const { error } = RoleName.safeParse(name);
  if (error) throw invalid('name', error.issues[0]?.message ?? 'Not valid');
}
