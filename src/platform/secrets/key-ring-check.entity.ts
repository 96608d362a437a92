import { Column, Entity, PrimaryColumn } from 'typeorm';
import { Sealed, sealedColumn } from './sealed.js';

/**
 * A known value under each key that may have sealed something in this database. A ring that cannot open it is the wrong
 * one.
 */
@Entity('key_ring_check')
export class KeyRingCheck {
  @PrimaryColumn('text') keyId: string;
  @Column('bytea', { transformer: sealedColumn }) canary: Sealed;
  @Column('timestamptz', { default: () => 'now()' }) createdAt: Date;
}
