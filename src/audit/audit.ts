import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';

/** The part of an actor that an audit event records. */
export type AuditActor = Pick<Actor, 'userId' | 'username' | 'address' | 'requestId'> & Partial<Pick<Actor, 'apiKey'>>;

/** What was done to what. */
export interface AuditedAct {
  /** `thing.done`, e.g. `certificate.issued`. Stored: never renamed. */
  action: string;
  /** The kind of target, e.g. `certificate`. */
  targetType: string;
  targetId: number | string;
  /** The changed values, before and after. Never secrets. */
  before?: object;
  after?: object;
}

/** Who did what. */
export interface AuditEntry {
  actor: AuditActor;
  act: AuditedAct;
}

const insert = prepared(
  'audit',
  `
  insert into audit_event (action, target_type, target_id, actor_user_id, api_key_id, actor_name, address, request_id,
    before, after)
  select e.action, e."targetType", e."targetId", nullif(e."userId", 0), e."apiKeyId", e.username, e.address,
    e."requestId", e.before, e.after
  from jsonb_to_recordset($1) as e(action text, "targetType" text, "targetId" text, "userId" int, "apiKeyId" int,
  username text, address text,
    "requestId" text, before jsonb, after jsonb)`,
);

/** Writes audit events in the transaction of the change, in one statement; the sealer links them afterwards. */
@Injectable()
export class Audit {
  /**
   * Throws `invalid-request` when a user put a private key into `after`. In `before`, and where the program itself or
   * an anonymous caller acts, `[private key]` replaces the key instead: foreign answers must not make the program fail.
   * Throws when a value refuses JSON, as Sealed does.
   */
  async record(tx: Tx, actor: AuditActor, act: AuditedAct): Promise<void> {
    await this.recordMany(tx, [{ actor, act }]);
  }

  /** As `record`, in this order. */
  async recordMany(tx: Tx, entries: readonly AuditEntry[]): Promise<void> {
    const rows = entries.map(({ actor: { userId, username, apiKey, address, requestId }, act }) => ({
      ...act,
      targetId: String(act.targetId),
      userId,
      username,
      apiKeyId: apiKey?.id,
      address,
      requestId,
    }));
    const text = JSON.stringify(rows);
    await insert(tx, [text.includes(keyMark) ? JSON.stringify(rows.map(withoutKeys)) : text]);
  }
}

/** Second check: platform/http refuses requests that hold a private key. */
const keyMark = 'PRIVATE KEY-----';
/** A whole PEM block of a private key, or its remains: up to the last line, else to the end of the text. */
const keyBlock = /(?:-----BEGIN[ \w]*)?PRIVATE KEY-----[^]*?(?:-----END[ \w]*PRIVATE KEY-----|$)/g;

function withoutKeys<T extends AuditedAct & { userId: number }>({ before, ...given }: T): unknown {
  if (given.userId !== 0 && JSON.stringify(given).includes(keyMark))
    throw new Problem('invalid-request', 'A private key is not accepted here.');
  return JSON.parse(JSON.stringify({ ...given, before }), (_, value: unknown) =>
    typeof value === 'string' ? value.replace(keyBlock, '[private key]') : value,
  );
}
