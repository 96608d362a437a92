import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { AccountRepository } from './account.repository.js';
import { isAdmin } from './permission.js';
import type { Role } from './role.entity.js';
import type { RoleLinks } from './role.schema.js';

type Authorities = (tx: Tx, roleIds: readonly number[]) => Promise<ReadonlyMap<number, RoleLinks['authorities']>>;

/** Reads what responses show of a role besides its own columns: its holders and the authorities it is linked to. */
@Injectable()
export class RoleRelations {
  private authorities: Authorities = () => Promise.resolve(new Map());

  constructor(
    private readonly db: Database,
    private readonly accounts: AccountRepository,
  ) {}

  /** Called once at boot by the module that owns the table of authorities. */
  showAuthorities(authorities: Authorities): void {
    this.authorities = authorities;
  }

  /** A function from a role's id to its relations; empty for roles that the actor neither holds nor administers. */
  async of(actor: Actor, roles: readonly Pick<Role, 'id'>[]): Promise<(id: number) => RoleLinks> {
    const held = new Set(actor.roles.map(({ id }) => id));
    const ids = roles.map(({ id }) => id).filter((id) => isAdmin(actor) || held.has(id));
    const [users, authorities] = await Promise.all([
      this.accounts.holdersOf(this.db.single, ids),
      this.authorities(this.db.single, ids),
    ]);
    return (id) => ({
      users: (users.get(id) ?? []).filter(({ active }) => active || isAdmin(actor)),
      authorities: authorities.get(id) ?? [],
    });
  }
}
