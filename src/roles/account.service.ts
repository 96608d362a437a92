import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { hashPassword } from '../users/password.js';
import { UserRepository } from '../users/user.repository.js';
import { type Account, AccountRepository } from './account.repository.js';
import type { AccountChanges, NewAccount } from './account.schema.js';
import { RoleAssignment } from './role-assignment.js';
import { RoleRepository } from './role.repository.js';

/** Creates and changes users and their roles. Callers check the permission; REST does so by route. */
@Injectable()
export class AccountService {
  constructor(
    private readonly db: Database,
    private readonly users: UserRepository,
    private readonly roles: RoleRepository,
    private readonly assignment: RoleAssignment,
    private readonly accounts: AccountRepository,
    private readonly audit: Audit,
  ) {}

  /**
   * Throws `conflict` when the name or address is taken, `invalid-request` when a role is unknown or strict mode
   * requires another one.
   */
  async create(actor: Actor, { roles, password, ...fields }: NewAccount): Promise<Account> {
    const passwordHash = password === undefined ? null : await hashPassword(password);
    return this.db.write(async (tx) => {
      const roleIds = await this.assignment.resolveForNewUser(tx, roles);
      const id = await this.users.add(tx, { ...fields, passwordHash });
      await this.assignment.assign(tx, id, roleIds);
      const account = await this.accounts.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'user.created',
        targetType: 'user',
        targetId: id,
        after: recorded(account),
      });
      return account;
    });
  }

  /** Throws as `create` does, `not-found`, and `conflict` when no administrator would be left. */
  async change(actor: Actor, id: number, changes: AccountChanges): Promise<Account> {
    const passwordHash = changes.password === undefined ? undefined : await hashPassword(changes.password);
    return this.db.write(async (tx) => {
      await this.roles.lockAdministration(tx);
      const before = await this.accounts.get(tx, id);
      await this.apply(tx, id, changes, passwordHash);
      const after = await this.accounts.get(tx, id);
      await this.demandAdministrator(tx);
      const newPassword = passwordHash === undefined ? {} : { newPassword: true };
      await this.audit.record(tx, actor, {
        action: 'user.changed',
        targetType: 'user',
        targetId: id,
        before: recorded(before),
        after: { ...recorded(after), ...newPassword },
      });
      return after;
    });
  }

  /** Ends every session of the user. The caller has checked the strength of `password`. */
  async changePassword(actor: Actor, id: number, password: string): Promise<Account> {
    return this.change(actor, id, { password });
  }

  /**
   * Throws `conflict` when no active user is an administrator. Call it after a change, in a transaction that called
   * `lockAdministration` before the change.
   */
  async demandAdministrator(tx: Tx): Promise<void> {
    if (await this.accounts.hasAdministrator(tx)) return;
    throw new Problem('conflict', 'This would leave no active administrator.');
  }

  private async apply(
    tx: Tx,
    id: number,
    { username, email, active, roles }: AccountChanges,
    passwordHash?: string,
  ): Promise<void> {
    await this.users.change(tx, id, { username, email, active, passwordHash });
    if (roles) await this.assignment.assign(tx, id, await this.assignment.resolve(tx, roles));
    if (active === false || passwordHash !== undefined) await this.users.revokeTokens(tx, id);
  }
}

function recorded({ username, email, active, roles }: Account): object {
  return { username, email, active, roles: roles.map(({ name }) => name) };
}
