import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { AuditSealer } from '../audit/audit-sealer.js';
import { Leases } from '../jobs/lease.js';
import { Database, sqlState, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { type KeyHolder, keyHolders, namesOf } from '../platform/secrets/key-holders.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { retireKeys } from '../platform/secrets/open-key-ring.js';
import type { Sealed } from '../platform/secrets/sealed.js';
import { type SealedCount, type SealedIn, type SealedValue, SealedValues } from '../platform/secrets/sealed-values.js';

/** How the secrets of this installation are sealed. */
export interface RekeyStatus {
  /** The id of the key that seals new values. */
  sealingKey: string;
  values: SealedCount[];
  /** Number of values sealed with another key. */
  toMove: number;
  /** Running processes that seal with another key; rekeying requires that there are none. */
  behind: KeyHolder[];
}

/** The result of a rekeying. */
export interface Rekeyed {
  sealingKey: string;
  moved: number;
  /**
   * Places of values that do not open, e.g. `certificate.sealed_key.<uuid>`. They stay unchanged, and their keys are
   * kept.
   */
  damaged: string[];
  /** Ids of unused keys: they can be removed from the ring. */
  retired: string[];
}

/** Cancellation and progress of a rekeying. */
export interface RekeyProgress {
  signal: AbortSignal;
  moved: (count: number) => void;
}

const batch = 200;
const leaseS = 30;
const mostRounds = 20;

/**
 * Moves sealed values to the sealing key (first of the ring) in batches, while the program runs. Each batch is one
 * transaction with an audit event.
 */
@Injectable()
export class Rekeying {
  constructor(
    private readonly db: Database,
    private readonly ring: KeyRing,
    private readonly values: SealedValues,
    private readonly leases: Leases,
    private readonly audit: Audit,
    private readonly sealer: AuditSealer,
  ) {}

  async status(tx: Tx): Promise<RekeyStatus> {
    const values = await this.values.census(tx);
    const sealingKey = this.ring.sealingKeyId;
    const toMove = values.filter(({ keyId }) => keyId !== sealingKey).reduce((sum, { count }) => sum + count, 0);
    return {
      sealingKey,
      values,
      toMove,
      behind: (await keyHolders(tx)).filter((holder) => holder.sealingKey !== sealingKey),
    };
  }

  /**
   * Throws Problem `conflict` while a running process seals with another key: it could not open moved values, or would
   * seal with the old key again.
   */
  async demandSameSealingKey(tx: Tx): Promise<void> {
    const { behind, sealingKey } = await this.status(tx);
    if (behind.length === 0) return;
    throw new Problem(
      'conflict',
      `${namesOf(behind)} does not seal with key "${sealingKey}" yet: put that key first in ` +
        'every key ring, and restart. A killed process counts for another minute.',
    );
  }

  /** Throws Problem `conflict` while another process rekeys, or as `demandSameSealingKey` does. */
  async run(actor: Actor, progress: RekeyProgress): Promise<Rekeyed> {
    await this.demandSameSealingKey(this.db.single);
    const outcome: Rekeyed = { sealingKey: this.ring.sealingKeyId, moved: 0, damaged: [], retired: [] };
    const held = await this.leases.withLease('secrets.rekey', leaseS, async (lost) => {
      await this.moveAll(actor, outcome, { ...progress, signal: AbortSignal.any([lost, progress.signal]) });
    });
    if (!held) throw new Problem('conflict', 'Another process is rekeying already.');
    return outcome;
  }

  private async moveAll(actor: Actor, outcome: Rekeyed, progress: RekeyProgress): Promise<void> {
    // The next round finds values that a process read before the move and wrote after it.
    for (let round = 0; round < mostRounds; round += 1) {
      outcome.damaged = [];
      for (const column of this.values.columns(this.db.single)) await this.moveColumn(actor, column, outcome, progress);
      if (outcome.damaged.length > 0) return;
      await this.db.write((tx) => this.values.awaitReaders(tx)).catch(explainLock);
      if (await this.retire(actor, outcome)) return;
    }
    throw new Problem(
      'unavailable',
      'Values are repeatedly sealed with an old key. Look for a process with another key ring.',
    );
  }

  private async moveColumn(
    actor: Actor,
    column: SealedIn,
    outcome: Rekeyed,
    { signal, moved }: RekeyProgress,
  ): Promise<void> {
    for (let after = 0, more = true; more;) {
      signal.throwIfAborted();
      const found = await this.values.list(this.db.single, column, {
        after,
        limit: batch,
        notBy: this.ring.sealingKeyId,
      });
      const count = await this.moveBatch(actor, column, found, outcome.damaged);
      outcome.moved += count;
      moved(count);
      after = found.at(-1)?.id ?? after;
      more = found.length === batch;
    }
  }

  private async moveBatch(
    actor: Actor,
    column: SealedIn,
    found: readonly SealedValue[],
    damaged: string[],
  ): Promise<number> {
    const pairs = found.flatMap((value) => {
      const next = this.moved(value);
      if (next === null) damaged.push(value.storedAt);
      return next === null ? [] : [{ value, next }];
    });
    if (pairs.length === 0) return 0;
    return this.db.write(async (tx) => {
      const count = await this.values.replace(tx, column, pairs);
      const { table, column: name } = column;
      const after = { table, column: name, key: this.ring.sealingKeyId, values: count };
      await this.audit.record(tx, actor, {
        action: 'key-ring.rekeyed',
        targetType: 'key-ring',
        targetId: this.ring.sealingKeyId,
        after,
      });
      return count;
    });
  }

  /** Seals the secret with the sealing key and verifies that it opens. Null when the old value does not open. */
  private moved({ sealed, place }: SealedValue): Sealed | null {
    try {
      const secret = this.ring.open(sealed, place);
      const next = this.ring.seal(secret, place);
      const same = this.ring.open(next, place).equals(secret);
      secret.fill(0);
      return same ? next : null;
    } catch {
      return null;
    }
  }

  /** Returns false when a value is sealed with an old key again. */
  private async retire(actor: Actor, outcome: Rekeyed): Promise<boolean> {
    return this.db.write(async (tx) => {
      if ((await this.status(tx)).toMove > 0) return false;
      await this.demandSameSealingKey(tx);
      await this.sealer.handOver(tx);
      outcome.retired = await retireKeys(tx, this.ring);
      if (outcome.retired.length > 0) {
        const { sealingKey, retired } = outcome;
        await this.audit.record(tx, actor, {
          action: 'key-ring.retired',
          targetType: 'key-ring',
          targetId: sealingKey,
          after: { retired },
        });
      }
      return true;
    });
  }
}

function explainLock(error: unknown): never {
  if (sqlState(error) !== '55P03') throw error;
  throw new Problem(
    'unavailable',
    'All values are moved, but a long transaction (a backup, for example) may still read ' +
      'an old one. Run the rekeying again when it has ended.',
  );
}
