import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import { rememberFacts, ringFacts } from '../platform/secrets/ring-facts.js';

const rowPurpose = 'perennial audit row';
const headPurpose = 'perennial audit head';
/** Prefix of the id of a retired key in the key ring's memory; the value is the derived key in hex. */
const retired = 'audit-key:';
const keyed = 'audit-keyed';

/** The keys of the audit chain: 32 bytes each, derived from the keys of the key ring, with the same ids. */
@Injectable()
export class AuditKeys {
  constructor(private readonly ring: KeyRing) {}

  /** The id of the current sealing key. */
  get sealingId(): string {
    return this.ring.sealingKeyId;
  }

  /** The key that seals rows now. */
  rowKey(): Buffer {
    return this.ring.derive(rowPurpose);
  }

  /** The key for the MAC of the head. Throws KeyRingError when the key is not in the ring. */
  headKey(keyId: string): Buffer {
    return this.ring.derive(headPurpose, keyId);
  }

  has(keyId: string): boolean {
    return this.ring.has(keyId);
  }

  /** Every key that has sealed rows, by id; includes keys that were retired from the ring. */
  async rowKeys(tx: Tx): Promise<ReadonlyMap<string, Buffer>> {
    const gone = Object.entries(await ringFacts(tx, this.ring))
      .filter(([name]) => name.startsWith(retired))
      .map(([name, hex]): [string, Buffer] => [name.slice(retired.length), Buffer.from(hex, 'hex')]);
    return new Map([
      ...gone,
      ...this.ring.keyIds.map((id): [string, Buffer] => [id, this.ring.derive(rowPurpose, id)]),
    ]);
  }

  /** Stores the row keys of the whole ring, so that every key but the sealing one can be removed from the ring. */
  async keepForRetirement(tx: Tx): Promise<void> {
    const others = this.ring.keyIds.filter((id) => id !== this.sealingId);
    const hex = (id: string): string => this.ring.derive(rowPurpose, id).toString('hex');
    await rememberFacts(tx, this.ring, Object.fromEntries(others.map((id) => [`${retired}${id}`, hex(id)])));
  }

  /** True when rows of this installation are sealed with a key, whatever the audit table says. */
  async isKeyed(tx: Tx): Promise<boolean> {
    return keyed in (await ringFacts(tx, this.ring));
  }

  async rememberKeyed(tx: Tx): Promise<void> {
    await rememberFacts(tx, this.ring, { [keyed]: 'yes' });
  }
}
