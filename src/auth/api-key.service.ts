import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { AccountRepository } from '../roles/account.repository.js';
import { isAdmin } from '../roles/permission.js';
import type { ApiKeyOfUser } from './api-key.entity.js';
import { ApiKeyRepository } from './api-key.repository.js';
import type { ApiKeyChanges, ApiKeyQuery, NewApiKey } from './api-key.schema.js';
import { demandNoWider } from './api-key-scope.js';
import { apiKeyHash, newApiKeySecret } from './api-key-secret.js';

/** Creates, reads, changes and deletes API keys. Users have access to their own keys, administrators to all. */
@Injectable()
export class ApiKeyService {
  constructor(
    private readonly db: Database,
    private readonly keys: ApiKeyRepository,
    private readonly accounts: AccountRepository,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** The keys of `userId`, or all that the actor may see. Throws `forbidden`, `not-found`. */
  async list(actor: Actor, query: ApiKeyQuery, userId?: number): Promise<Page<ApiKeyOfUser>> {
    if (userId === undefined) return this.keys.list(this.db.single, query, isAdmin(actor) ? null : actor.userId);
    demandSelf(actor, userId);
    await this.accounts.get(this.db.single, userId);
    return this.keys.list(this.db.single, query, userId);
  }

  /** `userId` is the user in the path. Throws `not-found`, and `forbidden` for the key of another user. */
  async read(actor: Actor, id: number, userId?: number): Promise<ApiKeyOfUser> {
    const key = await this.keys.get(this.db.single, id);
    if (userId !== undefined && key.userId !== userId)
      throw new Problem('not-found', `User ${userId} has no API key ${id}.`);
    demandSelf(actor, key.userId);
    return key;
  }

  /** As `create`, for the user in the path. Also throws `not-found`. */
  async createFor(actor: Actor, userId: number, wanted: NewApiKey): Promise<{ key: ApiKeyOfUser; secret: string }> {
    demandSelf(actor, userId);
    await this.accounts.get(this.db.single, userId);
    return this.create(actor, { ...wanted, user: { id: userId } });
  }

  /**
   * Returns the key with its secret, which is not stored. Throws `forbidden`, `invalid-request` for an unknown user.
   */
  async create(
    actor: Actor,
    { name, ttl, scopes, applicationName, user }: NewApiKey,
  ): Promise<{ key: ApiKeyOfUser; secret: string }> {
    demandNoWider(actor, scopes);
    const userId = user ? await this.accounts.locateId(this.db.single, 'user', user) : actor.userId;
    demandSelf(actor, userId);
    const secret = newApiKeySecret();
    return this.db.write(async (tx) => {
      const id = await this.keys.add(tx, {
        userId,
        name,
        applicationName,
        tokenHash: apiKeyHash(secret),
        ttlDays: ttl,
        issuedAt: this.clock.now(),
        scopes,
      });
      const key = await this.keys.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'apikey.created',
        targetType: 'apikey',
        targetId: id,
        after: recorded(key),
      });
      return { key, secret };
    });
  }

  /** Throws `forbidden` as `demandNoWider`, and `conflict` for an attempt to undo a revocation. */
  async change(
    actor: Actor,
    before: ApiKeyOfUser,
    { name, ttl, scopes, applicationName, revoked }: ApiKeyChanges,
  ): Promise<ApiKeyOfUser> {
    demandNoWider(actor, before.scopes);
    if (scopes !== undefined) demandNoWider(actor, scopes);
    if (before.revoked && revoked === false)
      throw new Problem('conflict', 'A revoked API key stays revoked. Create a new one.');
    return this.db.write(async (tx) => {
      // Never written as false: the key may have been revoked since it was read.
      await this.keys.change(tx, before.id, {
        name,
        applicationName,
        ttlDays: ttl,
        scopes,
        ...(revoked && { revoked }),
      });
      const key = await this.keys.get(tx, before.id);
      await this.audit.record(tx, actor, {
        action: 'apikey.changed',
        targetType: 'apikey',
        targetId: key.id,
        before: recorded(before),
        after: recorded(key),
      });
      return key;
    });
  }

  /** Throws `forbidden` as `demandNoWider`. */
  async remove(actor: Actor, key: ApiKeyOfUser): Promise<void> {
    demandNoWider(actor, key.scopes);
    await this.db.write(async (tx) => {
      await this.keys.remove(tx, key.id);
      await this.audit.record(tx, actor, {
        action: 'apikey.deleted',
        targetType: 'apikey',
        targetId: key.id,
        before: recorded(key),
      });
    });
  }
}

function demandSelf(actor: Actor, userId: number): void {
  if (!isAdmin(actor) && actor.userId !== userId)
    throw new Problem('forbidden', 'Only administrators may use the API keys of others.');
}

function recorded({ name, applicationName, user, ttlDays, scopes, revoked }: ApiKeyOfUser): object {
  return { name, applicationName, user: user.username, ttl: ttlDays, scopes, revoked };
}
