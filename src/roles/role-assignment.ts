import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import { invalid } from '../platform/http/problem.js';
import type { Reference } from '../platform/http/reference.js';
import { strictRoles } from './role-name.js';
import { type RoleLabel, RoleRepository } from './role.repository.js';

/** Decides which roles a user gets. Applies DEFAULT_ROLE and, with STRICT_ROLES, demands one of `strictRoles`. */
@Injectable()
export class RoleAssignment {
  constructor(
    private readonly config: Config,
    private readonly roles: RoleRepository,
  ) {}

  /** Resolves the roles of a new user to ids; DEFAULT_ROLE if `wanted` is empty. Throws as `resolve` does. */
  async resolveForNewUser(tx: Tx, wanted: readonly Reference[]): Promise<number[]> {
    return this.resolve(tx, wanted.length === 0 ? this.byDefault() : wanted);
  }

  /**
   * The id of DEFAULT_ROLE, or none, for a user whose other roles an identity provider assigns. Strict mode does not
   * apply: without one of `strictRoles`, such a user can change nothing.
   */
  async resolveDefault(tx: Tx): Promise<number[]> {
    return (await this.roles.locate(tx, 'roles', this.byDefault())).map(({ id }) => id);
  }

  /**
   * Resolves roles to ids. Throws `invalid-request` when a role does not exist and, in strict mode, when none of
   * `strictRoles` is among them.
   */
  async resolve(tx: Tx, wanted: readonly Reference[]): Promise<number[]> {
    const found = await this.roles.locate(tx, 'roles', wanted);
    this.demandStrict(found);
    return found.map(({ id }) => id);
  }

  /** Replaces all roles of the user. */
  async assign(tx: Tx, userId: number, roleIds: readonly number[]): Promise<void> {
    await this.roles.setRolesOfUser(tx, userId, roleIds);
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
