import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { holds, mayWriteToAnyone } from '../roles/permission.js';
import { AttemptLimit } from './attempt-limit.js';

const windowMs = 3_600_000;
const keys = 10_000;

/** Limits how often requests of a user may cause mails to others. Refuses the request, and never holds back a mail. */
@Injectable()
export class MailLimit {
  private readonly caused: AttemptLimit;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.caused = new AttemptLimit({ attempts: config.mailsToOthersPerHour, windowMs, keys });
  }

  /**
   * Call before a request that causes a mail to `address`. Does not count actors who may choose any recipient, hold the
   * role of this name or have this address. Throws Problem `too-many-requests`.
   */
  demand(actor: Actor, address: string): void {
    this.demandOnce(actor, [address]);
  }

  /** As `demand`, for a request that causes mails to several addresses: it counts once. */
  demandOnce(actor: Actor, addresses: readonly string[]): void {
    const isOwn = (address: string): boolean =>
      holds(actor, address) || actor.email.toLowerCase() === address.toLowerCase();
    if (addresses.every(isOwn) || mayWriteToAnyone(actor)) return;
    const waitMs = this.caused.take(String(actor.userId), this.clock.now().getTime());
    if (waitMs === 0) return;
    throw new Problem(
      'too-many-requests',
      `At most ${this.config.mailsToOthersPerHour} requests an hour may cause mails to owners whose role you do not hold.`,
      { retryAfterS: Math.ceil(waitMs / 1000) },
    );
  }
}
