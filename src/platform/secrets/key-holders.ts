import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Database, Tx } from '../db/database.js';
import { type KeyRing, KeyRingError } from './key-ring.js';

/** A running process and its key ring. */
export interface KeyHolder {
  /** `host:pid`. */
  process: string;
  sealingKey: string;
  keyIds: string[];
}

const beatMs = 15_000;
/** A process that has not reported for this long is gone. */
const liveS = 60;

/**
 * Reports, until the returned function is called, that this process uses `ring`. A failure is passed to the callback
 * and does not stop it.
 */
export async function announceKeys(
  db: Database,
  ring: KeyRing,
  onFailure: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const id = randomUUID();
  const beat = (): Promise<unknown> =>
    db.single.query(
      `insert into key_holder (id, process, sealing_key, key_ids) values ($1, $2, $3, $4)
        on conflict (id) do update set seen_at = now()`,
      [id, `${hostname()}:${process.pid}`, ring.sealingKeyId, ring.keyIds],
    );
  await db.single.query(`delete from key_holder where seen_at < now() - interval '1 day'`);
  await beat();
  const timer = setInterval(() => void beat().catch(onFailure), beatMs);
  return async () => {
    clearInterval(timer);
    await db.single.query('delete from key_holder where id = $1', [id]).catch(onFailure);
  };
}

/** The processes that run now, in order of their names. One that was killed counts for another minute. */
export async function keyHolders(tx: Tx): Promise<KeyHolder[]> {
  return tx.query<KeyHolder[]>(
    `select process, sealing_key as "sealingKey", key_ids as "keyIds" from key_holder
     where seen_at > now() - $1 * interval '1 second' order by process, id`,
    [liveS],
  );
}

/** Throws KeyRingError when a running process could not open what `ring` seals. */
export async function demandCommonKey(tx: Tx, ring: KeyRing): Promise<void> {
  const without = (await keyHolders(tx)).filter(({ keyIds }) => !keyIds.includes(ring.sealingKeyId));
  if (without.length === 0) return;
  throw new KeyRingError(
    `${namesOf(without)} runs without key "${ring.sealingKeyId}", with which this ` +
      'command would seal. Give both the same key ring, and restart what runs.',
  );
}

/** The names of processes, for a sentence. */
export function namesOf(holders: readonly KeyHolder[]): string {
  return holders.map(({ process: name }) => name).join(', ');
}
