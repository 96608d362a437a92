import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** What the issuer of an authority remembers of it, opaque: see AuthorityMemory in the contract of issuers. */
@Entity('authority_state')
export class AuthorityState {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') authorityId: number;
  /** Binds `sealedState` to this row. */
  @Column('uuid') secretId: string;
  @Column('bytea', { transformer: sealedColumn }) sealedState: Sealed;
}
