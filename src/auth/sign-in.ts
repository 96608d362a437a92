import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import { passwordMatches } from '../users/password.js';
import { UserRepository } from '../users/user.repository.js';
import type { User } from '../users/user.entity.js';
import { AttemptLimit, subscriberOf } from './attempt-limit.js';
import { Tokens } from './tokens.js';

const window = { windowMs: 5 * 60_000, keys: 50_000 };
const perAddress = { attempts: 10, ...window };
/** Higher: whoever knows a name could otherwise keep its owner out from afar. */
const perAccount = { attempts: 100, ...window };

/** What someone claims to be, and from where. */
export interface Credentials {
  /** User name or e-mail address. */
  name: string;
  password: string;
  address: string;
  requestId: string;
}

/** Turns a name and a password into a token. After ten failures in five minutes from an address, or a hundred for an account, it refuses to look. */
@Injectable()
export class SignIn {
  private readonly fromAddress = new AttemptLimit(perAddress);
  private readonly ofAccount = new AttemptLimit(perAccount);

  constructor(
    private readonly db: Database,
    private readonly users: UserRepository,
    private readonly tokens: Tokens,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Throws `bad-credentials` for every kind of failure alike, after the same work, and `too-many-requests`. */
  async run(credentials: Credentials): Promise<string> {
    const address = subscriberOf(credentials.address);
    this.take(this.fromAddress, address);
    const user = await this.users.findForSignIn(this.db.single, credentials.name);
    const account = user ? `user ${user.id}` : `name ${credentials.name.toLowerCase()}`;
    this.take(this.ofAccount, account);
    const matches = await passwordMatches(user?.passwordHash ?? null, credentials.password);
    if (!user || !matches || !user.active) return this.refuse(credentials, user);
    this.fromAddress.giveBack(address);
    this.ofAccount.giveBack(account);
    await this.record('session.opened', { ...credentials, userId: user.id, username: user.username }, user.id);
    return this.tokens.issue({ userId: user.id, epoch: user.tokenEpoch });
  }

  private take(failures: AttemptLimit, key: string): void {
    const waitMs = failures.take(key, this.clock.now().getTime());
    if (waitMs > 0) throw new Problem('too-many-requests', 'Too many failed sign-ins.', { retryAfterS: Math.ceil(waitMs / 1000) });
  }

  private async refuse(credentials: Credentials, user: User | null): Promise<never> {
    await this.record('session.refused', { ...credentials, userId: 0, username: credentials.name }, user?.id ?? '');
    throw new Problem('bad-credentials', 'The name or the password is wrong.');
  }

  private async record(action: string, actor: AuditActor, targetId: number | string): Promise<void> {
    await this.audit.record(this.db.single, actor, { action, targetType: 'user', targetId });
  }
}
