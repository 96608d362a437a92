import { randomBytes } from 'node:crypto';
import { AuditEvent } from '../../src/audit/audit-event.entity.js';
import { AuditKeys } from '../../src/audit/audit-keys.js';
import { AuditSealer } from '../../src/audit/audit-sealer.js';
import { Audit } from '../../src/audit/audit.js';
import { type ChainAnchor, type ChainReport, verifyChain } from '../../src/audit/verify-chain.js';
import { KeyRingCheck } from '../../src/platform/secrets/key-ring-check.entity.js';
import type { KeyRing } from '../../src/platform/secrets/key-ring.js';
import { openKeyRing } from '../../src/platform/secrets/open-key-ring.js';
import { createTestDatabase, type TestDatabase } from './database.js';

export const ada = { userId: 7, username: 'ada', address: '192.0.2.1', requestId: 'req-1' };

/** Two keys of a key ring. */
export const old = { id: 'old', key: randomBytes(32) };
export const fresh = { id: 'fresh', key: randomBytes(32) };

/** An audit log in a database of its own, and the process that seals it. */
export class TestAuditLog {
  readonly audit = new Audit();
  keys!: AuditKeys;
  sealer!: AuditSealer;

  private constructor(readonly test: TestDatabase) {}

  /** Empty; the process has the key `old`. */
  static async create(): Promise<TestAuditLog> {
    const log = new TestAuditLog(await createTestDatabase([AuditEvent, KeyRingCheck]));
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

  events(): Promise<AuditEvent[]> {
    return this.test.source.manager.find(AuditEvent, { order: { id: 'asc' } });
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
