import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import { Gathered } from '../platform/gathered.js';
import { type Account, AccountRepository } from '../roles/account.repository.js';
import { endOf, type KeyInUse } from './api-key.entity.js';
import { ApiKeyRepository } from './api-key.repository.js';
import { apiKeyHash, isApiKeySecret } from './api-key-secret.js';
import { Tokens } from './tokens.js';

/**
 * The sender of a token: an active user, with the API key if the token is one, or null for a session. `endsAt`: when
 * the token expires; null for never.
 */
export interface Bearer {
  account: Account;
  key: KeyInUse | null;
  endsAt: Date | null;
}

/** Resolves tokens to users. Keeps nothing between requests; BearerAuthenticator does, where a route allows it. */
@Injectable()
export class Bearers {
  private readonly readings = new Gathered<number, Account | null>((ids) =>
    this.accounts.findMany(this.db.single, ids),
  );

  constructor(
    private readonly tokens: Tokens,
    private readonly db: Database,
    private readonly accounts: AccountRepository,
    private readonly keys: ApiKeyRepository,
    private readonly clock: Clock,
  ) {}

  /** Throws `unauthenticated` unless the token is a session or a valid API key of an active user. */
  async read(token: string): Promise<Bearer> {
    if (isApiKeySecret(token)) return this.throughKey(await this.keys.findBySecret(this.db.single, apiKeyHash(token)));
    const claims = this.tokens.read(token);
    const { endsAt } = claims;
    if ('legacyId' in claims) {
      const key = await this.keys.findCarriedOver(this.db.single, claims.legacyId, claims.legacyUserId);
      return this.throughKey(key, endsAt);
    }
    const account = await this.inEpoch(claims.userId, claims.epoch);
    if (!account) throw new Problem('unauthenticated', 'The token has been revoked.');
    return { account, key: null, endsAt };
  }

  /**
   * The user; null when all sessions of this epoch have been ended, as by a change of the password. Throws
   * `unauthenticated` when the user is not active.
   */
  async inEpoch(userId: number, tokenEpoch: number): Promise<Account | null> {
    const account = await this.activeAccount(userId);
    return account.tokenEpoch === tokenEpoch ? account : null;
  }

  private async throughKey(key: KeyInUse | null, tokenEndsAt: Date | null = null): Promise<Bearer> {
    if (!key) throw new Problem('unauthenticated', 'There is no such API key.');
    if (key.revoked) throw new Problem('unauthenticated', 'The API key has been revoked.');
    const end = endOf(key);
    if (end && end <= this.clock.now()) throw new Problem('unauthenticated', 'The API key has expired.');
    const endsAt = tokenEndsAt && (!end || tokenEndsAt < end) ? tokenEndsAt : end;
    return { account: await this.activeAccount(key.userId), key, endsAt };
  }

  private async activeAccount(userId: number): Promise<Account> {
    const account = await this.readings.run(userId);
    if (!account?.active) throw new Problem('unauthenticated', 'The user is not active.');
    return account;
  }
}
