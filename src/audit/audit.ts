import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';

/** What an audit event needs to know of the one who acts. */
export type AuditActor = Pick<Actor, 'userId' | 'username' | 'address' | 'requestId'> & Partial<Pick<Actor, 'apiKey'>>;

/** What was done to what. */
export interface AuditedAct {
  /** `thing.done`, such as `certificate.issued`. Stored: never renamed. */
  action: string;
  /** The kind of thing, such as `certificate`. */
  targetType: string;
  targetId: number | string;
  /** The values that changed, as they were and as they are. Never secrets. */
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

/** Writes audit events in the transaction of the change, in one cheap statement; the sealer links them afterwards. */
@Injectable()
export class Audit {
  /**
   * Throws `invalid-request` when somebody pasted a private key into a text. Where the program itself acts, which must
   * not fail because of what some other side answered, for a stranger, and in what was there `before`, `[private key]`
   * stands in its place. Throws on what refuses to be written as JSON, such as Sealed.
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

/** Requests that hold a private key are refused where they are read (platform/http); this is the net below. */
const keyMark = 'PRIVATE KEY-----';
/** From the first line of a PEM block, or what is left of it, to the last; without one to the end of the text. */
const keyBlock = /(?:-----BEGIN[ \w]*)?PRIVATE KEY-----[^]*?(?:-----END[ \w]*PRIVATE KEY-----|$)/g;

function withoutKeys<T extends AuditedAct & { userId: number }>({ before, ...given }: T): unknown {
  if (given.userId !== 0 && JSON.stringify(given).includes(keyMark))
    throw new Problem('invalid-request', 'A private key was given where none belongs.');
  return JSON.parse(JSON.stringify({ ...given, before }), (_, value: unknown) =>
    typeof value === 'string' ? value.replace(keyBlock, '[private key]') : value,
  );
}
