import { Injectable } from '@nestjs/common';
import { Problem } from '../platform/http/problem.js';
import { PasswordCheck } from '../users/password-check.js';
import type { User } from '../users/user.entity.js';
import { LdapSignIn } from './federation/ldap-sign-in.js';
import { Refusal } from './federation/profile.js';
import { FailureLimits } from './failure-limits.js';
import { type FailedSignIn, Sessions, type Visitor, type Way } from './sessions.js';

/** A name and a password, with the origin of the request. */
export interface Credentials extends Visitor {
  /** User name or e-mail address. */
  name: string;
  password: string;
}

/** Whom a name and a password belong to. */
export type SignedIn = Pick<User, 'id' | 'username' | 'tokenEpoch'>;
interface Identity {
  holder: SignedIn;
  way: Way;
}

type Failure = Partial<Omit<FailedSignIn, 'name'>>;

/** Signs in by name and password, at the local database or the LDAP directory. FailureLimits bounds failed attempts. */
@Injectable()
export class SignIn {
  constructor(
    private readonly passwords: PasswordCheck,
    private readonly limits: FailureLimits,
    private readonly sessions: Sessions,
    private readonly directory: LdapSignIn,
  ) {}

  /**
   * Returns the token of a new session. Throws the same `bad-credentials` for every kind of failure,
   * `too-many-requests`, and `unavailable` if the directory is needed and fails.
   */
  async run(credentials: Credentials): Promise<string> {
    const { holder, way } = await this.identify(credentials);
    return this.sessions.open(credentials, holder, way);
  }

  /** Whose name and password these are, without a session. Throws as `run`. */
  async identify(credentials: Credentials): Promise<Identity> {
    this.limits.takeOfAddress(credentials.address, 'password');
    const user = await this.passwords.find(credentials.name);
    const account = user ? `user ${user.id}` : `name ${credentials.name.toLowerCase()}`;
    this.limits.takeOfAccount(account);
    const identity = await this.holderOf(credentials, user);
    this.limits.giveBack(credentials.address, 'password', account);
    return identity;
  }

  /** As `identify`, of what was right before: that is no guess, and not limited. */
  async renew(credentials: Credentials): Promise<Identity> {
    return this.holderOf(credentials, await this.passwords.find(credentials.name));
  }

  private async holderOf(credentials: Credentials, user: User | null): Promise<Identity> {
    const matches = await this.passwords.matches(user, credentials.password);
    if (user && matches && !user.active)
      return this.refuse(credentials, { userId: user.id, reason: 'The user is not active.' });
    const holder = user && matches ? user : await this.fromDirectory(credentials, user);
    return { holder, way: holder === user ? 'password' : 'ldap' };
  }

  /** The account that is linked to the directory entry, which need not be the user of the same name here. */
  private async fromDirectory(credentials: Credentials, user: User | null): Promise<SignedIn> {
    if (!this.directory.isOn) return this.refuse(credentials, { userId: user?.id });
    try {
      const account = await this.directory.find(credentials);
      return account ?? (await this.refuse(credentials, { userId: user?.id, way: 'ldap' }));
    } catch (error) {
      if (error instanceof Refusal)
        return this.refuse(credentials, { userId: user?.id, way: 'ldap', reason: error.message });
      if (error instanceof Problem && error.code === 'unavailable')
        await this.record(credentials, { userId: user?.id, way: 'ldap', reason: 'The directory failed.' });
      throw error;
    }
  }

  private async refuse(credentials: Credentials, failure: Failure): Promise<never> {
    await this.record(credentials, failure);
    throw new Problem('bad-credentials', 'The name or the password is wrong.');
  }

  private async record(credentials: Credentials, { userId, way = 'password', reason }: Failure): Promise<void> {
    await this.sessions.refuse(credentials, {
      name: credentials.name,
      way,
      ...(userId !== undefined && { userId }),
      ...(reason !== undefined && { reason }),
    });
  }
}
