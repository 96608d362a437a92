import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { KeyRef } from '../platform/keys/key-store.js';
import { Sealed, SealedColumn } from '../platform/secrets/sealed.js';
import type { Reference } from '../platform/http/reference.js';
import type { AuthoritySettings } from './authority.entity.js';

/** What a new authority is to be besides its certificate and key; its sealed options stand beside. */
export type WaitingSettings = Omit<AuthoritySettings, 'createdAt'> & {
  request: { roles: Reference[] };
  /** The path length that the CSR asks for; null: none. */
  pathLength: number | null;
};

/** A key of a CA whose certificate a CA elsewhere is to sign. */
@Entity('authority_csr')
export class AuthorityCsr {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Of the authority. */
  @Column('text') name: string;
  /** The authority that is renewed; null: one that is made when the certificate arrives. */
  @Column('integer', { nullable: true }) authorityId: number | null;
  @Column('integer') keyId: KeyRef;
  @Column('text') csrPem: string;
  @Column('jsonb', { nullable: true }) settings: WaitingSettings | null;
  /** Binds `sealedOptions` to this row, and later to that of the authority. */
  @Column('uuid') secretId: string;
  @Column('bytea', { nullable: true, transformer: new SealedColumn('authority.sealed_options') })
  sealedOptions: Sealed | null;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
