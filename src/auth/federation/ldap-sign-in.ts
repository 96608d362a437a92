import { Injectable } from '@nestjs/common';
import { Config } from '../../platform/config.js';
import { Log } from '../../platform/log.js';
import { Problem } from '../../platform/http/problem.js';
import type { Account } from '../../roles/account.repository.js';
import type { Visitor } from '../sessions.js';
import { FederatedAccounts } from './federated-accounts.js';
import { LdapClient } from './ldap.client.js';
import { Refusal } from './profile.js';

/** Signs in with a password of the LDAP directory. */
@Injectable()
export class LdapSignIn {
  constructor(
    private readonly config: Config,
    private readonly client: LdapClient,
    private readonly accounts: FederatedAccounts,
    private readonly log: Log,
  ) {}

  get isOn(): boolean {
    return this.client.isOn;
  }

  /**
   * The account for this name and password in the directory; null if they do not match. Throws Refusal, and
   * `unavailable` if the directory fails.
   */
  async find({
    name,
    password,
    address,
    requestId,
  }: Visitor & { name: string; password: string }): Promise<Account | null> {
    const { ldapCreateUsers: createUsers, ldapLinkByEmail: linkByEmail } = this.config;
    const profile = await this.client.profileOf(name.trim(), password).catch((error: unknown) => {
      if (error instanceof Refusal) throw error;
      this.log.warn({ err: error }, 'directory failed');
      throw new Problem(
        'unavailable',
        'The directory cannot be reached now. Users with a password of this installation can sign in.',
        { retryAfterS: 10, cause: error },
      );
    });
    return profile && this.accounts.admit(profile, { createUsers, linkByEmail }, { address, requestId });
  }
}
