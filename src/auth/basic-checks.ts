import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Problem } from '../platform/http/problem.js';
import { subscriberOf } from '../platform/net/subscriber.js';
import { AttemptLimit } from './attempt-limit.js';
import { Sessions } from './sessions.js';
import { type Credentials, SignIn, type SignedIn } from './sign-in.js';
import { Turns } from './turns.js';

/** How long a password is not checked again: a check costs 19 MiB and some ten milliseconds. */
const keptMs = 60_000;
const mostKept = 1000;
/** Of one address. */
const mostAtOnce = 200;
const recordedOnce = { attempts: 1, windowMs: 3_600_000, keys: 50_000 };

/** A check of a name and a password that is under way or has succeeded. */
export interface Check {
  holder: Promise<SignedIn>;
  /** `ended`: what it found holds no more, as after a change of the password. */
  state: 'under way' | 'right' | 'ended';
  /** When it began, in milliseconds since 1970. */
  at: number;
}

/**
 * Checks the names and passwords that requests carry. What was right is not checked again for a minute, and then
 * without counting as an attempt: it is no guess. Other checks of one address wait for each other, so that only
 * failures are counted, and not the checks of many clients behind one address.
 */
@Injectable()
export class BasicChecks {
  /** By the HMAC of name and password, so that memory holds neither. */
  private readonly checks = new Map<string, Check>();
  private readonly secret = randomBytes(32);
  private readonly turns = new Turns(mostAtOnce);
  private readonly recorded = new AttemptLimit(recordedOnce);

  constructor(
    private readonly signIn: SignIn,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  /** Requests at the same time share one check, so that they count as one attempt. Its holder throws as a sign-in. */
  of(credentials: Credentials): Check {
    const key = this.keyOf(credentials);
    const known = this.checks.get(key);
    const now = this.clock.now().getTime();
    if (known?.state === 'under way' || (known?.state === 'right' && Math.abs(now - known.at) < keptMs)) return known;
    const check: Check = { holder: this.found(credentials, known), state: 'under way', at: now };
    this.keep(key, check);
    check.holder.then(
      () => {
        check.state = 'right';
      },
      (error: unknown) => {
        if (this.checks.get(key) !== check) return;
        // A directory that fails says nothing about what was right before.
        if (known && !isWrong(error)) this.checks.set(key, known);
        else this.checks.delete(key);
      },
    );
    return check;
  }

  private keyOf({ name, password }: Credentials): string {
    return createHmac('sha256', this.secret)
      .update(JSON.stringify([name, password]))
      .digest('base64');
  }

  private keep(key: string, check: Check): void {
    this.checks.delete(key);
    const [oldest] = this.checks.keys();
    if (this.checks.size >= mostKept && oldest !== undefined) this.checks.delete(oldest);
    this.checks.set(key, check);
  }

  private async found(credentials: Credentials, known: Check | undefined): Promise<SignedIn> {
    const { holder } = known
      ? await this.signIn.renew(credentials)
      : await this.turns.run(subscriberOf(credentials.address), () => this.signIn.identify(credentials));
    await this.record(credentials, holder);
    return holder;
  }

  /** Once an hour for each user and address: every request would fill the audit log. */
  private async record(credentials: Credentials, holder: SignedIn): Promise<void> {
    const key = `${holder.id} ${credentials.address}`;
    if (this.recorded.take(key, this.clock.now().getTime()) > 0) return;
    try {
      await this.sessions.recordOpened(credentials, holder, 'basic');
    } catch (error) {
      this.recorded.giveBack(key);
      throw error;
    }
  }
}

function isWrong(error: unknown): boolean {
  return error instanceof Problem && error.code === 'bad-credentials';
}
