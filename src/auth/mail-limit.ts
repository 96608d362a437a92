import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { holds, mayWriteToAnyone } from '../roles/permission.js';
import { AttemptLimit } from './attempt-limit.js';

const windowMs = 3_600_000;
const keys = 10_000;

/**
 * Bounds how often a user may cause mails to others. What is refused is the request that would cause the mail: a mail
 * that somebody is owed is never held back.
 */
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
   * To do something of which `address` is told, at once or later. Those who may write to anyone, and whoever holds the
   * role of that name or has that address, are not counted. Throws Problem `too-many-requests`.
   */
  demand(actor: Actor, address: string): void {
    const isOwn = holds(actor, address) || actor.email.toLowerCase() === address.toLowerCase();
    if (isOwn || mayWriteToAnyone(actor)) return;
    const waitMs = this.caused.take(String(actor.userId), this.clock.now().getTime());
    if (waitMs === 0) return;
    throw new Problem(
      'too-many-requests',
      `More than ${this.config.mailsToOthersPerHour} requests in an hour would cause mails to owners whose role you do not hold.`,
      { retryAfterS: Math.ceil(waitMs / 1000) },
    );
  }
}
