import { Injectable } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { hashPassword, isBcrypt, passwordMatches } from './password.js';
import type { User } from './user.entity.js';
import { UserRepository } from './user.repository.js';

/**
 * Checks passwords in the same time for known and unknown users. Replaces a hash from Lemur with Argon2id when its
 * password matches.
 */
@Injectable()
export class PasswordCheck {
  constructor(
    private readonly db: Database,
    private readonly users: UserRepository,
  ) {}

  /** The user with this name or e-mail address, ignoring case, with the password hash. */
  async find(nameOrEmail: string): Promise<User | null> {
    return this.users.findForSignIn(this.db.single, nameOrEmail);
  }

  /** `user` is null if there is no such user; the check takes the same time and returns false. */
  async matches(user: Pick<User, 'id' | 'passwordHash'> | null, password: string): Promise<boolean> {
    const checkBcrypt = await this.users.hasBcrypt(this.db.single);
    const stored = user?.passwordHash ?? null;
    const matches = await passwordMatches(stored, password, checkBcrypt);
    if (matches && user && stored !== null && isBcrypt(stored)) {
      await this.users.replaceHash(this.db.single, user.id, { from: stored, to: await hashPassword(password) });
    }
    return matches;
  }

  /** As `matches`, by the id of a user. */
  async matchesUser(id: number, password: string): Promise<boolean> {
    return this.matches(await this.users.findWithHash(this.db.single, id), password);
  }
}
