import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { AccountRepository } from '../roles/account.repository.js';
import { permissionsOf } from '../roles/permission.js';
import { type ApiKeyOfUser, endOf } from './api-key.entity.js';
import { ApiKeyRepository } from './api-key.repository.js';
import { permissionsOfKey } from './api-key-scope.js';

/** Who has asked for work that a job does later. */
export interface Asker {
  userId: number;
  /** The API key by which they asked; null in a session. */
  apiKeyId: number | null;
}

/** Gives jobs the actor who asked for their work, with the rights that this user and API key have now. */
@Injectable()
export class LaterActors {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly accounts: AccountRepository,
    private readonly keys: ApiKeyRepository,
  ) {}

  /** Null when the user is not active, or the API key is deleted, revoked or expired. */
  async find(tx: Tx, { userId, apiKeyId }: Asker, requestId: string): Promise<Actor | null> {
    const account = await this.accounts.find(tx, userId);
    if (!account?.active) return null;
    const key = apiKeyId === null ? null : await this.usableKey(tx, userId, apiKeyId);
    if (apiKeyId !== null && key === null) return null;
    const { username, email, roles } = account;
    const ofUser = permissionsOf(
      roles.map(({ name }) => name),
      this.config,
    );
    const permissions = key ? permissionsOfKey(ofUser, key.scopes) : ofUser;
    const apiKey = key && { id: key.id, name: key.name };
    return { userId, username, email, roles, permissions, apiKey, address: '', requestId };
  }

  /** When the API key ends, by which this actor asks; null in a session, and for a key without an end. */
  async endOfKey(tx: Tx, { apiKey }: Actor): Promise<Date | null> {
    return apiKey === null ? null : endOf(await this.keys.get(tx, apiKey.id));
  }

  private async usableKey(tx: Tx, userId: number, id: number): Promise<ApiKeyOfUser | null> {
    const key = await this.keys.get(tx, id).catch((error: unknown) => {
      if (error instanceof Problem && error.code === 'not-found') return null;
      throw error;
    });
    if (key === null || key.userId !== userId || key.revoked) return null;
    const end = endOf(key);
    return end && end <= this.clock.now() ? null : key;
  }
}
