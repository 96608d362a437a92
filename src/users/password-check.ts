import { Injectable } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { hashPassword, isBcrypt, passwordMatches } from './password.js';
import type { User } from './user.entity.js';
import { UserRepository } from './user.repository.js';

/**
 * Checks passwords with the same work whoever is asked for, and replaces the hashes of Lemur by better ones when they
 * fit.
 */
@Injectable()
export class PasswordCheck {
  constructor(
    private readonly db: Database,
    private readonly users: UserRepository,
  ) {}

  /** Whose name or e-mail address it is, in any case, with the hash of the password; null when it is nobody's. */
  async holderOf(nameOrEmail: string): Promise<User | null> {
    return this.users.findForSignIn(this.db.single, nameOrEmail);
  }

  /** `user`: with its hash; null for one who does not exist. */
  async fits(user: Pick<User, 'id' | 'passwordHash'> | null, password: string): Promise<boolean> {
    const amongBcrypt = await this.users.hasBcrypt(this.db.single);
    const stored = user?.passwordHash ?? null;
    const fits = await passwordMatches(stored, password, amongBcrypt);
    if (fits && user && stored !== null && isBcrypt(stored)) {
      await this.users.replaceHash(this.db.single, user.id, { from: stored, to: await hashPassword(password) });
    }
    return fits;
  }

  /** The same for the user with this id. */
  async fitsUser(id: number, password: string): Promise<boolean> {
    return this.fits(await this.users.findWithHash(this.db.single, id), password);
  }
}
