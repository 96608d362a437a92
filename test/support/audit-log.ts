import { randomBytes } from 'node:crypto';
import { AuditGap, AuditSeal } from '../../src/audit/audit-seals.entity.js';
import { AuditEvent } from '../../src/audit/audit-event.entity.js';
import { AuditKeys } from '../../src/audit/audit-keys.js';
import { AuditSealer } from '../../src/audit/audit-sealer.js';
import { chainStart, sealedRows, withSeals, type SealOfEvent } from '../../src/audit/audit-seals.js';
import { Audit } from '../../src/audit/audit.js';
import type { SealedRow } from '../../src/audit/chain.js';
import { type ChainAnchor, type ChainReport, verifyChain } from '../../src/audit/verify-chain.js';
import { KeyRingCheck } from '../../src/platform/secrets/key-ring-check.entity.js';
import type { KeyRing } from '../../src/platform/secrets/key-ring.js';
import { openKeyRing } from '../../src/platform/secrets/open-key-ring.js';
import { createTestDatabase, type TestDatabase } from './database.js';

export const ada = { userId: 7, username: 'ada', address: '192.0.2.1', requestId: 'req-1' };

/** Two keys of a key ring. */
export const old = { id: 'old', key: randomBytes(32) };
export const fresh = { id: 'fresh', key: randomBytes(32) };

/** A row of the hash chain, without the event. */
export type ChainLink = Omit<SealedRow, 'canonical'>;

/** An audit log in a database of its own, and the process that seals it. */
export class TestAuditLog {
  readonly audit = new Audit();
  keys!: AuditKeys;
  sealer!: AuditSealer;

  private constructor(readonly test: TestDatabase) {}

  /** Empty; the process has the key `old`. */
  static async create(): Promise<TestAuditLog> {
    const log = new TestAuditLog(await createTestDatabase([AuditEvent, AuditGap, AuditSeal, KeyRingCheck]));
    await log.restart(old);
    return log;
  }

  drop(): Promise<void> {
    return this.test.drop();
  }

  /** Replaces the process by one that has these keys. */
  async restart(...encryptionKeys: (typeof old)[]): Promise<KeyRing> {
    const ring = await openKeyRing({ encryptionKeys, dataDir: '/nowhere' }, this.test.db);
    this.keys = new AuditKeys(ring);
    this.sealer = new AuditSealer(this.test.db, this.keys);
    return ring;
  }

  events(): Promise<(AuditEvent & SealOfEvent)[]> {
    return this.test.db.read(async (tx) => withSeals(tx, await tx.find(AuditEvent, { order: { id: 'asc' } })));
  }

  /** The rows of the chain, in order. */
  async links(): Promise<ChainLink[]> {
    const rows = await this.test.db.read((tx) => sealedRows(tx, chainStart, 10_000));
    return rows.map(({ seq, id, prevHash, hash, keyId }) => ({ seq, id, prevHash, hash, keyId }));
  }

  /** Replaces the chain by these rows as a database administrator would. */
  async forge(links: readonly ChainLink[]): Promise<void> {
    await this.tamper('delete from audit_seal');
    let topId = -Infinity;
    for (const { seq, id, prevHash, hash, keyId } of links) {
      topId = Math.max(topId, Number(id));
      await this.test.source.query(
        `insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, key_id, top_id, id_range)
         values ($1, array[$2::bigint], array[$3::bytea], array[$4::bytea], $5,
           $6, int8range($2, $2, '[]'))`,
        [seq, id, prevHash, hash, keyId, topId],
      );
    }
  }

  verify(...anchors: ChainAnchor[]): Promise<ChainReport> {
    return this.test.db.read((tx) => verifyChain(tx, this.keys, anchors));
  }

  async record(count: number): Promise<void> {
    for (let i = 1; i <= count; i++) {
      await this.test.db.write((tx) =>
        this.audit.record(tx, ada, { action: 'thing.changed', targetType: 'thing', targetId: i, after: { i } }),
      );
    }
  }

  /** Records so many events and seals them. */
  async seal(count: number): Promise<void> {
    await this.record(count);
    await this.sealer.seal();
  }

  /** Runs statements as a database administrator would who switches the trigger off. */
  async tamper(...statements: string[]): Promise<void> {
    await this.test.db.write(async (tx) => {
      await tx.query('set local session_replication_role = replica');
      for (const statement of statements) await tx.query(statement);
    });
  }
}
