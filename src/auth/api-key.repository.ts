import { Injectable } from '@nestjs/common';
import { Conditions } from '../platform/db/conditions.js';
import { truth, whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';
import type { Page } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { ApiKey, type ApiKeyOfUser, type KeyInUse } from './api-key.entity.js';
import type { ApiKeyQuery } from './api-key.schema.js';

const inUse = `select id, user_id as "userId", name, ttl_days as "ttlDays", issued_at as "issuedAt", scopes, revoked,
  last_used_at as "lastUsedAt" from api_key`;
const bySecret = prepared<KeyInUse>('api_key_secret', `${inUse} where token_hash = $1`);
const carriedOver = prepared<KeyInUse>('api_key_carried', `${inUse} where legacy_id = $1 and legacy_user_id = $2`);

const columns = `
  k.id, k.user_id as "userId", k.name, k.application_name as "applicationName", k.ttl_days as "ttlDays",
  k.issued_at as "issuedAt", k.scopes, k.revoked, k.last_used_at as "lastUsedAt",
  json_build_object('id', u.id, 'username', u.username, 'email', u.email, 'active', u.active) as user`;
const from = 'api_key k join app_user u on u.id = k.user_id';

const list: ListSource = {
  columns,
  from,
  sorts: {
    id: { sql: 'k.id', type: 'int' },
    name: { sql: 'lower(k.name)', type: 'text' },
    issuedAt: { sql: 'k.issued_at', type: 'timestamptz' },
    ttl: { sql: 'k.ttl_days', type: 'int' },
    revoked: { sql: 'k.revoked', type: 'boolean' },
  },
  filters: {
    id: whole('k.id'),
    name: words('k.name'),
    applicationName: words('k.application_name'),
    revoked: truth('k.revoked'),
    userId: whole('k.user_id'),
  },
};

/** Every query on `api_key`. */
@Injectable()
export class ApiKeyRepository {
  /** By the SHA-256 of the secret. */
  async findBySecret(tx: Tx, tokenHash: Buffer): Promise<KeyInUse | null> {
    return (await bySecret(tx, [tokenHash]))[0] ?? null;
  }

  /** By the ids in a JWT from Lemur. Never finds a key that was created here. */
  async findCarriedOver(tx: Tx, legacyId: number, legacyUserId: number): Promise<KeyInUse | null> {
    return (await carriedOver(tx, [legacyId, legacyUserId]))[0] ?? null;
  }

  /** Throws `not-found`. */
  async get(tx: Tx, id: number): Promise<ApiKeyOfUser> {
    const [key] = await tx.query<ApiKeyOfUser[]>(`select ${columns} from ${from} where k.id = $1`, [id]);
    if (!key) throw new Problem('not-found', `There is no API key ${id}.`);
    return key;
  }

  /** The keys of one user; with null, all keys. */
  async list(tx: Tx, query: ApiKeyQuery, userId: number | null): Promise<Page<ApiKeyOfUser>> {
    const where = new Conditions();
    if (userId !== null) where.add('k.user_id = ?', userId);
    return listPage(tx, list, query, where);
  }

  /** Returns the new id. */
  async add(
    tx: Tx,
    fields: Omit<ApiKey, 'id' | 'revoked' | 'lastUsedAt' | 'legacyId' | 'legacyUserId'> &
      Partial<Pick<ApiKey, 'revoked' | 'legacyId' | 'legacyUserId'>>,
  ): Promise<number> {
    const { identifiers } = await tx.insert(ApiKey, fields);
    return (identifiers as [{ id: number }])[0].id;
  }

  async change(
    tx: Tx,
    id: number,
    fields: Partial<Pick<ApiKey, 'name' | 'applicationName' | 'ttlDays' | 'scopes' | 'revoked'>>,
  ): Promise<void> {
    if (Object.values(fields).some((value) => value !== undefined)) await tx.update(ApiKey, id, fields);
  }

  async remove(tx: Tx, id: number): Promise<void> {
    await tx.delete(ApiKey, id);
  }

  /** Does nothing if a use since `notSince` is recorded already. */
  async noteUse(tx: Tx, id: number, { at, notSince }: { at: Date; notSince: Date }): Promise<void> {
    await tx.query(
      'update api_key set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $3)',
      [id, at, notSince],
    );
  }
}
