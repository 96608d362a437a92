import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import { invalid } from '../platform/http/problem.js';
import type { Reference } from '../platform/http/reference.js';
import { strictRoles } from './role-name.js';
import { type RoleLabel, RoleRepository } from './role.repository.js';

/**
 * Which roles users are given: in strict mode one of the three that say whether they change anything, and by default
 * DEFAULT_ROLE.
 */
@Injectable()
export class RoleGiving {
  constructor(
    private readonly config: Config,
    private readonly roles: RoleRepository,
  ) {}

  /** The ids of the roles, DEFAULT_ROLE if none is named. Throws `invalid-request`. */
  async toNewUser(tx: Tx, wanted: readonly Reference[]): Promise<number[]> {
    return this.toUser(tx, wanted.length === 0 ? this.byDefault() : wanted);
  }

  /**
   * As `toNewUser`, for one whose roles an identity provider names, be it none: who changes nothing in strict mode
   * needs no word for it.
   */
  async toStranger(tx: Tx): Promise<number[]> {
    return (await this.roles.locate(tx, 'roles', this.byDefault())).map(({ id }) => id);
  }

  /**
   * The ids of the roles. Throws `invalid-request` when one does not exist, and in strict mode when none of the three
   * is among them.
   */
  async toUser(tx: Tx, wanted: readonly Reference[]): Promise<number[]> {
    const found = await this.roles.locate(tx, 'roles', wanted);
    this.demandStrict(found);
    return found.map(({ id }) => id);
  }

  async set(tx: Tx, userId: number, roleIds: readonly number[]): Promise<void> {
    await this.roles.setRolesOfUser(tx, userId, roleIds);
  }

  async lockAdministration(tx: Tx): Promise<void> {
    await this.roles.lockAdministration(tx);
  }

  private byDefault(): Reference[] {
    const { defaultRole } = this.config;
    return defaultRole === undefined ? [] : [{ name: defaultRole }];
  }

  private demandStrict(held: readonly RoleLabel[]): void {
    if (!this.config.strictRoles || held.some(({ name }) => strictRoles.includes(name))) return;
    throw invalid('roles', `Must include one of ${strictRoles.join(', ')}`);
  }
}
