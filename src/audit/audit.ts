import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';

/** What an audit event needs to know of the one who acts. */
export type AuditActor = Pick<Actor, 'userId' | 'username' | 'address' | 'requestId'>;

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

const insert = `
  insert into audit_event (action, target_type, target_id, actor_user_id, actor_name, address, request_id, before, after)
  values ($1, $2, $3, nullif($4::int, 0), $5, $6, $7, $8::jsonb, $9::jsonb)`;

/** Writes audit events in the transaction of the change, one cheap statement each; the sealer links them afterwards. */
@Injectable()
export class Audit {
  /** Throws when `before` or `after` holds a private key or anything that refuses to be written as JSON, such as Sealed. */
  async record(tx: Tx, actor: AuditActor, act: AuditedAct): Promise<void> {
    const who = [actor.userId, actor.username, actor.address, actor.requestId];
    const values = [act.action, act.targetType, String(act.targetId), ...who, json(act.before), json(act.after)];
    await tx.query(insert, values);
  }
}

function json(values: object | undefined): string | null {
  if (values === undefined) return null;
  const text = JSON.stringify(values);
  if (text.includes('PRIVATE KEY')) throw new Error('An audit event must not hold a private key.');
  return text;
}
