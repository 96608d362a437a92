import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Problem } from '../platform/http/problem.js';
import { AttemptLimit, subscriberOf } from './attempt-limit.js';

const window = { windowMs: 5 * 60_000, keys: 50_000 };
const perAddress = { attempts: 10, ...window };
/** What a foreign page can have every browser behind an address send: counted only to keep the audit log short. */
const strays = { attempts: 10, ...window };
/** Higher: whoever knows a name could otherwise keep its owner out from afar. */
const perAccount = { attempts: 100, ...window };

/** With a password, back from a provider, or with something that no browser of ours was given. */
export type Attempt = 'password' | 'provider' | 'stray';

/**
 * Counts failed sign-ins: ten in five minutes from an address with passwords, ten at identity providers, and a hundred
 * for an account.
 */
@Injectable()
export class FailureLimits {
  private readonly fromAddress = {
    password: new AttemptLimit(perAddress),
    provider: new AttemptLimit(perAddress),
    stray: new AttemptLimit(strays),
  };
  private readonly ofAccount = new AttemptLimit(perAccount);

  constructor(private readonly clock: Clock) {}

  /**
   * Counts an attempt from an IP address before it is made; the kinds have nothing to do with one another. Throws
   * `too-many-requests`.
   */
  takeOfAddress(address: string, kind: Attempt): void {
    this.take(this.fromAddress[kind], subscriberOf(address));
  }

  /** Counts an attempt for an account, by whatever key tells accounts apart. Throws `too-many-requests`. */
  takeOfAccount(account: string): void {
    this.take(this.ofAccount, account);
  }

  /** Takes one attempt of each back: it was not a failure. */
  giveBack(address: string, kind: Attempt, account?: string): void {
    this.fromAddress[kind].giveBack(subscriberOf(address));
    if (account !== undefined) this.ofAccount.giveBack(account);
  }

  private take(failures: AttemptLimit, key: string): void {
    const waitMs = failures.take(key, this.clock.now().getTime());
    if (waitMs > 0)
      throw new Problem('too-many-requests', 'Too many failed sign-ins.', { retryAfterS: Math.ceil(waitMs / 1000) });
  }
}
