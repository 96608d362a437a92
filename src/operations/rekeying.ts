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
  /** The id of the key that seals from now on. */
  sealingKey: string;
  values: SealedCount[];
  /** How many values another key still seals. */
  toMove: number;
  /** Running processes that still seal with another key; none may be left when values are moved. */
  behind: KeyHolder[];
}

/** What a move of all values came to. */
export interface Rekeyed {
  sealingKey: string;
  moved: number;
  /**
   * Where values stand that do not open, such as `certificate.sealed_key.<uuid>`: they stay as they are, and so do the
   * keys.
   */
  damaged: string[];
  /** Ids of keys that nothing needs any more: they can be taken out of the ring. */
  retired: string[];
}

/** How a caller follows and ends the work. */
export interface Following {
  signal: AbortSignal;
  moved: (count: number) => void;
}

const batch = 200;
const leaseS = 30;
const mostRounds = 20;

/**
 * Moves sealed values to the newest key of the ring, in batches, beside whatever else runs; each batch is a transaction
 * and an audit event.
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
   * Throws Problem `conflict` while a running process seals with another key: it could not open what is moved, or would
   * seal anew with the old one.
   */
  async demandSameSealingKey(tx: Tx): Promise<void> {
    const { behind, sealingKey } = await this.status(tx);
    if (behind.length === 0) return;
    throw new Problem(
      'conflict',
      `${namesOf(behind)} does not seal with key "${sealingKey}" yet: put that key first in ` +
        'every key ring, and restart. One that was killed counts for another minute.',
    );
  }

  /** Throws Problem `conflict` when another process is at it, or as `demandSameSealingKey` does. */
  async run(actor: Actor, following: Following): Promise<Rekeyed> {
    await this.demandSameSealingKey(this.db.single);
    const outcome: Rekeyed = { sealingKey: this.ring.sealingKeyId, moved: 0, damaged: [], retired: [] };
    const held = await this.leases.withLease('secrets.rekey', leaseS, async (lost) => {
      await this.moveAll(actor, outcome, { ...following, signal: AbortSignal.any([lost, following.signal]) });
    });
    if (!held) throw new Problem('conflict', 'Another process is moving the values already.');
    return outcome;
  }

  private async moveAll(actor: Actor, outcome: Rekeyed, following: Following): Promise<void> {
    // What was written meanwhile by somebody who had read it before is found in the next round.
    for (let round = 0; round < mostRounds; round += 1) {
      outcome.damaged = [];
      for (const column of this.values.columns(this.db.single))
        await this.moveColumn(actor, column, outcome, following);
      if (outcome.damaged.length > 0) return;
      await this.db.write((tx) => this.values.awaitReaders(tx)).catch(explainLock);
      if (await this.retire(actor, outcome)) return;
    }
    throw new Problem(
      'unavailable',
      'Values are written with an old key again and again. Look for a process with another key ring.',
    );
  }

  private async moveColumn(
    actor: Actor,
    column: SealedIn,
    outcome: Rekeyed,
    { signal, moved }: Following,
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

  /**
   * The same secret under the sealing key, opened once more before it is trusted; null when the old value does not
   * open.
   */
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

  /** False when something is sealed with an old key again. */
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
    'Every value is moved, but a long transaction, such as a backup, may still hold ' +
      'an old one. Run it again when that has ended.',
  );
}
