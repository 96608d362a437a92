import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Reference } from '../platform/http/reference.js';
import { type Account, AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { RoleRepository } from './role.repository.js';

/** Who holds a role. */
@Injectable()
export class RoleHolders {
  constructor(
    private readonly roles: RoleRepository,
    private readonly accounts: AccountRepository,
    private readonly accountService: AccountService,
  ) {}

  async list(tx: Tx, roleId: number): Promise<Account[]> {
    return this.accounts.listOfRole(tx, roleId);
  }

  async names(tx: Tx, roleId: number): Promise<string[]> {
    return (await this.list(tx, roleId)).map(({ username }) => username);
  }

  /** Throws `invalid-request` for a user who does not exist. */
  async set(tx: Tx, roleId: number, users: readonly Reference[]): Promise<void> {
    await this.roles.setUsersOfRole(tx, roleId, await this.accounts.locateIds(tx, 'users', users));
  }

  /** True when `users` are those who hold the role. Throws as `set`. */
  async are(tx: Tx, roleId: number, users: readonly Reference[]): Promise<boolean> {
    const [wanted, held] = [
      await this.accounts.locateIds(tx, 'users', users),
      (await this.list(tx, roleId)).map(({ id }) => id),
    ];
    return wanted.length === held.length && wanted.every((id) => held.includes(id));
  }

  /** Throws `conflict` when a change leaves nobody who can administer; see AccountService. */
  async demandAdministrator(tx: Tx): Promise<void> {
    await this.accountService.demandAdministrator(tx);
  }
}
