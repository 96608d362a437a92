import { Injectable } from '@nestjs/common';
import type { Actor } from '../platform/http/actor.js';
import { invalid } from '../platform/http/problem.js';
import { AccountService } from '../roles/account.service.js';
import { PasswordCheck } from '../users/password-check.js';
import { FailureLimits } from './failure-limits.js';
import { Sessions } from './sessions.js';

/** Changes the password of the actor, who must give the old one. */
@Injectable()
export class OwnPassword {
  constructor(
    private readonly check: PasswordCheck,
    private readonly limits: FailureLimits,
    private readonly accounts: AccountService,
    private readonly sessions: Sessions,
  ) {}

  /** Ends all sessions and returns the token of a new one. Throws `invalid-request`, `too-many-requests`. */
  async change(actor: Actor, oldPassword: string, newPassword: string): Promise<string> {
    const account = `user ${actor.userId}`;
    this.limits.takeOfAddress(actor.address, 'password');
    this.limits.takeOfAccount(account);
    if (!(await this.check.matchesUser(actor.userId, oldPassword)))
      throw invalid('oldPassword', 'The old password is wrong.');
    this.limits.giveBack(actor.address, 'password', account);
    const changed = await this.accounts.changePassword(actor, actor.userId, newPassword);
    return this.sessions.open(actor, changed, 'password');
  }
}
