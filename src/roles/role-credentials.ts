import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { Role } from './role.entity.js';
import { RoleRepository } from './role.repository.js';

/** What a role keeps for its holders: a user name and a password of some other system. */
export interface Credentials {
  username: string | null;
  password: string | null;
}

/** Where a role's sealed password stands. */
export function rolePasswordPlace(secretId: string): string {
  return `role.sealed_password.${secretId}`;
}

/** Keeps the credentials of roles sealed. */
@Injectable()
export class RoleCredentials {
  constructor(
    private readonly db: Database,
    private readonly roles: RoleRepository,
    private readonly keyRing: KeyRing,
    private readonly audit: Audit,
  ) {}

  /** Writes what is given; null clears. Says which of the two were given. */
  async write(
    tx: Tx,
    id: number,
    { username, password }: Partial<Credentials>,
  ): Promise<{ username?: string | null; newPassword?: boolean }> {
    if (username !== undefined) await this.roles.change(tx, id, { username });
    if (password !== undefined) await this.roles.change(tx, id, this.sealed(password));
    return {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { newPassword: password !== null }),
    };
  }

  /** Whether the actor may is settled before; every reading is on record. */
  async read(actor: Actor, { id, name, username }: Role): Promise<Credentials> {
    return this.db.write(async (tx) => {
      const sealed = await this.roles.sealedPasswordOf(tx, id);
      await this.audit.record(tx, actor, {
        action: 'credentials.viewed',
        targetType: 'role',
        targetId: id,
        after: { name },
      });
      return {
        username,
        password: sealed && this.keyRing.open(sealed.sealedPassword, rolePasswordPlace(sealed.secretId)).toString(),
      };
    });
  }

  private sealed(password: string | null): Pick<Role, 'sealedPassword' | 'secretId'> {
    if (password === null) return { sealedPassword: null, secretId: null };
    const secretId = randomUUID();
    return { sealedPassword: this.keyRing.seal(password, rolePasswordPlace(secretId)), secretId };
  }
}
