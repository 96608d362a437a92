import { join } from 'node:path';
import { Not } from 'typeorm';
import type { Config } from '../config.js';
import type { Database, Tx } from '../db/database.js';
import { KeyRingCheck } from './key-ring-check.entity.js';
import { createKeyRingFile, readKeyRingFile } from './key-ring-file.js';
import { KeyRing, KeyRingError } from './key-ring.js';
import { checkWith, factsIn, factsOf, rememberFacts } from './ring-facts.js';
import { SealedValues } from './sealed-values.js';

/** Where the keys come from. */
export type KeyRingSettings = Pick<Config, 'encryptionKeys' | 'dataDir'>;

/** A further condition on a ring; throws when it is not met. */
type Demand = (tx: Tx, ring: KeyRing) => Promise<void>;

const fromEnvironment = 'ENCRYPTION_KEYS';

/**
 * The key ring of this installation: ENCRYPTION_KEYS, or `keyring` in DATA_DIR, which is made at the first start. Once
 * the database holds anything sealed, a ring that cannot open all of it is refused with a KeyRingError, and none is
 * made. `demand` may refuse the ring by throwing, before anything says that its first key seals.
 */
export async function openKeyRing(
  settings: KeyRingSettings,
  db: Database,
  demand: Demand = async () => undefined,
): Promise<KeyRing> {
  return db.write(async (tx) => {
    // Several instances may start at once on an empty database: the first decides which key it is sealed with.
    await tx.query('lock table key_ring_check in exclusive mode');
    const checks = await tx.find(KeyRingCheck, { order: { keyId: 'ASC' } });
    const { ring, origin } = await loadRing(settings, checks);
    for (const check of checks) demandOpens(ring, check, origin);
    if (checks.length === 0) await demandNothingSealed(tx);
    await demand(tx, ring);
    if (!checks.some((check) => check.keyId === ring.sealingKeyId))
      await tx.insert(KeyRingCheck, checkWith(ring, factsOf(ring, checks)));
    return ring;
  });
}

/**
 * Call it when the last row has been resealed: from then on a start requires only the sealing key. Returns the other
 * ids, in order.
 */
export async function retireKeys(tx: Tx, ring: KeyRing): Promise<string[]> {
  await rememberFacts(tx, ring, {});
  const retired = await tx.find(KeyRingCheck, { where: { keyId: Not(ring.sealingKeyId) }, order: { keyId: 'ASC' } });
  await tx.delete(KeyRingCheck, { keyId: Not(ring.sealingKeyId) });
  return retired.map(({ keyId }) => keyId);
}

async function loadRing(
  { encryptionKeys, dataDir }: KeyRingSettings,
  checks: readonly KeyRingCheck[],
): Promise<{ ring: KeyRing; origin: string }> {
  if (encryptionKeys) return { ring: new KeyRing(encryptionKeys), origin: fromEnvironment };
  const path = join(dataDir, 'keyring');
  const kept = await readKeyRingFile(path);
  if (kept) return { ring: new KeyRing(kept), origin: path };
  if (checks.length === 0) return { ring: new KeyRing(await createKeyRingFile(path)), origin: path };
  throw new KeyRingError(
    `The database was sealed with key ${namesOf(checks)}, but there is no key ring: ` +
      `${path} does not exist and ENCRYPTION_KEYS is not set. ` +
      'Restore that file from a backup or set ENCRYPTION_KEYS. Without the key ' +
      'nothing sealed in this database can ever be read.',
  );
}

function demandOpens(ring: KeyRing, check: KeyRingCheck, origin: string): void {
  const { keyId } = check;
  if (!ring.has(keyId)) {
    throw new KeyRingError(
      `The database was sealed with key "${keyId}", which is missing from ${origin} ` +
        `(it holds ${ring.keyIds.join(', ')}). ${remedyFor(origin)}`,
    );
  }
  try {
    factsIn(ring, check);
  } catch (cause) {
    throw new KeyRingError(
      `Key "${keyId}" in ${origin} is not the key of that name with which the ` +
        `database was sealed. ${remedyFor(origin)}`,
      { cause },
    );
  }
}

/** Deleting the check values must not make this installation forget the facts in them. */
async function demandNothingSealed(tx: Tx): Promise<void> {
  const sealed = await new SealedValues().census(tx);
  const heads = await tx.query<unknown[]>('select from audit_head');
  if (sealed.length + heads.length === 0) return;
  throw new KeyRingError(
    'The database holds sealed values, but its table key_ring_check is empty: somebody deleted the check values ' +
      'of the key ring. Restore the table from a backup.',
  );
}

function remedyFor(origin: string): string {
  return origin === fromEnvironment
    ? 'Add that key to ENCRYPTION_KEYS, behind the one that is to seal; if it is in the ' +
        'keyring file of DATA_DIR, copy it from there.'
    : 'Restore that file from a backup, or set ENCRYPTION_KEYS to a ring that holds the key.';
}

function namesOf(checks: readonly KeyRingCheck[]): string {
  return checks.map(({ keyId }) => `"${keyId}"`).join(', ');
}
