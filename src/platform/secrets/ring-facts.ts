import type { Tx } from '../db/database.js';
import { KeyRingCheck } from './key-ring-check.entity.js';
import { type KeyRing, KeyRingError } from './key-ring.js';

/**
 * Facts that the owner of the database can neither forge nor delete without detection: they are sealed in the check
 * values of the key ring, without which no process starts.
 */
export type RingFacts = Readonly<Record<string, string>>;

const mark = 'perennial';

/** A check value for the sealing key that carries `facts`. */
export function checkWith(ring: KeyRing, facts: RingFacts): Pick<KeyRingCheck, 'keyId' | 'canary'> {
  const keyId = ring.sealingKeyId;
  return { keyId, canary: ring.seal(`${mark}${JSON.stringify(facts)}`, placeOf(keyId)) };
}

/** The facts in a check value. Throws KeyRingError when it does not open. */
export function factsIn(ring: KeyRing, { keyId, canary }: KeyRingCheck): RingFacts {
  // Values of older versions are the mark alone.
  const text = ring.open(canary, placeOf(keyId)).toString().slice(mark.length);
  return text === '' ? {} : (JSON.parse(text) as RingFacts);
}

/** The facts in all of `checks`. Throws as `factsIn` does. */
export function factsOf(ring: KeyRing, checks: readonly KeyRingCheck[]): RingFacts {
  return Object.fromEntries(checks.flatMap((check) => Object.entries(factsIn(ring, check))));
}

/** All stored facts. Throws KeyRingError when the check value of the sealing key is missing. */
export async function ringFacts(tx: Tx, ring: KeyRing): Promise<RingFacts> {
  const checks = await tx.find(KeyRingCheck, { order: { keyId: 'ASC' } });
  if (!checks.some(({ keyId }) => keyId === ring.sealingKeyId))
    throw new KeyRingError(`The check value of key "${ring.sealingKeyId}" was deleted from key_ring_check.`);
  return factsOf(
    ring,
    checks.filter(({ keyId }) => ring.has(keyId)),
  );
}

/** Adds `facts` to the stored ones, under the sealing key. Throws as `ringFacts` does. */
export async function rememberFacts(tx: Tx, ring: KeyRing, facts: RingFacts): Promise<void> {
  await tx.query('lock table key_ring_check in exclusive mode');
  const { keyId, canary } = checkWith(ring, { ...(await ringFacts(tx, ring)), ...facts });
  await tx.update(KeyRingCheck, { keyId }, { canary });
}

function placeOf(keyId: string): string {
  return `key_ring_check.canary.${keyId}`;
}
