import { Injectable } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import { PasswordCheck } from '../users/password-check.js';
import { UserRepository } from '../users/user.repository.js';
import type { User } from '../users/user.entity.js';
import { FailureLimits } from './failure-limits.js';
import { Sessions, type Visitor } from './sessions.js';

/** What someone claims to be, and from where. */
export interface Credentials extends Visitor {
  /** User name or e-mail address. */
  name: string;
  password: string;
}

/** Turns a name and a password into a token. After ten failures in five minutes from an address, or a hundred for an account, it refuses to look. */
@Injectable()
export class SignIn {
  constructor(
    private readonly db: Database,
    private readonly users: UserRepository,
    private readonly passwords: PasswordCheck,
    private readonly limits: FailureLimits,
    private readonly sessions: Sessions,
  ) {}

  /** Throws `bad-credentials` for every kind of failure alike, after the same work, and `too-many-requests`. */
  async run(credentials: Credentials): Promise<string> {
    this.limits.takeOfAddress(credentials.address);
    const user = await this.users.findForSignIn(this.db.single, credentials.name);
    const account = user ? `user ${user.id}` : `name ${credentials.name.toLowerCase()}`;
    this.limits.takeOfAccount(account);
    const matches = await this.passwords.fits(user, credentials.password);
    if (!user || !matches || !user.active) return this.refuse(credentials, user);
    this.limits.giveBack(credentials.address, account);
    return this.sessions.open(credentials, user, 'password');
  }

  private async refuse(credentials: Credentials, user: User | null): Promise<never> {
    await this.sessions.refuse(credentials, { name: credentials.name, userId: user?.id, way: 'password' });
    throw new Problem('bad-credentials', 'The name or the password is wrong.');
  }
}
