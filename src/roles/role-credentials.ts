import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { Role } from './role.entity.js';
import { RoleRepository } from './role.repository.js';

/** A user name and a password of another system, stored with a role for its holders. */
export interface Credentials {
  username: string | null;
  password: string | null;
}

/** The place (associated data) under which the password of a role is sealed. */
export function rolePasswordPlace(secretId: string): string {
  return `role.sealed_password.${secretId}`;
}

/** Stores and reads the credentials of roles, sealed. */
@Injectable()
export class RoleCredentials {
  constructor(
    private readonly db: Database,
    private readonly roles: RoleRepository,
    private readonly keyRing: KeyRing,
    private readonly audit: Audit,
  ) {}

  /** Undefined leaves a value, null clears it. Returns the audit record of the change, without the password. */
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

  /** Records every read in the audit log. The caller checks the rights of the actor. */
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
