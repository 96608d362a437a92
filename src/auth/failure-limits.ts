import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Problem } from '../platform/http/problem.js';
import { subscriberOf } from '../platform/net/subscriber.js';
import { AttemptLimit } from './attempt-limit.js';

const window = { windowMs: 5 * 60_000, keys: 50_000 };
const perAddress = { attempts: 10, ...window };
/** Requests that a foreign web page can make any browser send. Counted only to keep the audit log short. */
const strays = { attempts: 10, ...window };
/** Higher, because an attacker who knows a name could otherwise lock its user out. */
const perAccount = { attempts: 100, ...window };

/** `password`: a sign-in by password. `provider`: a response of an identity provider. `stray`: an unknown state. */
export type Attempt = 'password' | 'provider' | 'stray';

/** Limits failed sign-ins in five minutes: ten from an address for each kind of attempt, a hundred for an account. */
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
   * Counts an attempt from an IP address before it is made. Kinds are counted separately. Throws `too-many-requests`.
   */
  takeOfAddress(address: string, kind: Attempt): void {
    this.take(this.fromAddress[kind], subscriberOf(address));
  }

  /** Counts an attempt for an account; `account` is any unique key. Throws `too-many-requests`. */
  takeOfAccount(account: string): void {
    this.take(this.ofAccount, account);
  }

  /** Uncounts one attempt of the address and of the account, because it succeeded. */
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
