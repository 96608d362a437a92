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

/** In SQL, the columns of a row of `eventsOf`. */
export const eventColumns = `action text, "targetType" text, "targetId" text, "userId" int, "apiKeyId" int, username text,
  address text, "requestId" text, before jsonb, after jsonb`;

/** In SQL, writes the events `e` of `from`, which have `eventColumns`. `targetId`: what they are about. */
export function insertEvents(from: string, targetId = 'e."targetId"'): string {
  return `insert into audit_event (action, target_type, target_id, actor_user_id, api_key_id, actor_name, address,
    request_id, before, after)
  select e.action, e."targetType", ${targetId}, nullif(e."userId", 0), e."apiKeyId", e.username, e.address,
    e."requestId", e.before, e.after from ${from}`;
}

const insert = prepared('audit', insertEvents(`jsonb_to_recordset($1) as e(${eventColumns})`));

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
    await insert(tx, [JSON.stringify(entries.map(eventOf))]);
  }
}

/** An event as JSON text or a part of it, for a statement that writes it with `insertEvents`. Throws as `record`. */
export function eventOf({ actor: { userId, username, apiKey, address, requestId }, act }: AuditEntry): object {
  const event = {
    userId,
    username,
    apiKeyId: apiKey?.id,
    address,
    requestId,
    ...act,
    targetId: String(act.targetId),
  };
  return JSON.stringify(event).includes(keyMark) ? withoutKeys(event) : event;
}

/** Second check: platform/http refuses requests that hold a private key. */
const keyMark = 'PRIVATE KEY-----';
/** A whole PEM block of a private key, or its remains: up to the last line, else to the end of the text. */
const keyBlock = /(?:-----BEGIN[ \w]*)?PRIVATE KEY-----[^]*?(?:-----END[ \w]*PRIVATE KEY-----|$)/g;

function withoutKeys<T extends AuditedAct & { userId: number }>({ before, ...given }: T): object {
  if (given.userId !== 0 && JSON.stringify(given).includes(keyMark))
    throw new Problem('invalid-request', 'A private key is not accepted here.');
  return JSON.parse(JSON.stringify({ ...given, before }), (_, value: unknown) =>
    typeof value === 'string' ? value.replace(keyBlock, '[private key]') : value,
  ) as object;
}
