import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Tx } from '../platform/db/database.js';
import type { StoredAuditHead } from './audit-seals.entity.js';
import type { AuditKeys } from './audit-keys.js';

/** The newest sealed row. It is stored apart from the rows under its own MAC, so that truncation is detected. */
export interface AuditHead {
  seq: number;
  hash: Buffer;
  /** The first row that was sealed with a key; versions without keys sealed the rows before it. */
  keyedFrom: number;
}

/** `false` when the MAC of the record does not match. Throws KeyRingError when its key is not in the ring. */
export async function readHead(tx: Tx, keys: AuditKeys): Promise<AuditHead | null | false> {
  const [stored] = await tx.query<StoredAuditHead[]>(
    'select seq, hash, keyed_from as "keyedFrom", key_id as "keyId", mac from audit_head',
  );
  if (!stored) return null;
  const { hash, mac, keyId } = stored;
  const head = { seq: Number(stored.seq), hash, keyedFrom: Number(stored.keyedFrom) };
  return timingSafeEqual(macOf(head, keys.headKey(keyId)), mac) && head;
}

/** Writes the record with a MAC of the sealing key. */
export async function writeHead(tx: Tx, keys: AuditKeys, head: AuditHead): Promise<void> {
  const { seq, hash, keyedFrom } = head;
  await tx.query(
    `insert into audit_head (seq, hash, keyed_from, key_id, mac) values ($1, $2, $3, $4, $5)
     on conflict (is_only) do update set (seq, hash, keyed_from, key_id, mac) =
       (excluded.seq, excluded.hash, excluded.keyed_from, excluded.key_id, excluded.mac)`,
    [seq, hash, keyedFrom, keys.sealingId, macOf(head, keys.headKey(keys.sealingId))],
  );
}

function macOf({ seq, hash, keyedFrom }: AuditHead, key: Buffer): Buffer {
  return createHmac('sha256', key).update(`${seq} ${keyedFrom} `).update(hash).digest();
}
