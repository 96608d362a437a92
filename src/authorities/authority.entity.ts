import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { KeyRef } from '../platform/keys/key-store.js';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** Whether a requested validity that ends after its authority is refused, or cut to the end of the authority. */
export const beyondCa = ['refuse', 'shorten'] as const;
export type BeyondCa = (typeof beyondCa)[number];

/**
 * A CA that certificates are issued from: a configured issuer plugin and the CA's certificate, with its key where the
 * key is ours.
 */
@Entity('authority')
@Index('authority_public_id', ['publicId'], { unique: true })
@Check('authority_public_id_form', `public_id ~ '^[0-9a-f]{20}$'`)
export class Authority {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Names it in public URLs: 20 random hexadecimal digits, which tell nothing else. */
  @Column({ type: 'text', update: false }) readonly publicId: string;
  @Column('text') name: string;
  @Column('text') owner: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('boolean') active: boolean;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  /** Binds `sealedOptions` to this row. */
  @Column('uuid') secretId: string;
  @Column('integer', { nullable: true }) parentId: number | null;
  @Column('text') certificatePem: string;
  /** Issuers of the CA in order, the root last; empty for a root. */
  @Column('text', { array: true }) chainPem: string[];
  @Column('text') commonName: string;
  @Column('text') serialHex: string;
  @Column('timestamptz') notBefore: Date;
  @Column('timestamptz') notAfter: Date;
  @Column('text') keyType: string;
  @Column('integer') bits: number;
  @Column('text') signingAlgorithm: string;
  @Column('integer', { nullable: true }) pathLength: number | null;
  /** The CA's private key in the KeyStore; null when the key is elsewhere. */
  @Column('integer', { nullable: true }) keyId: KeyRef | null;
  @Column('integer', { nullable: true }) maxValidityDays: number | null;
  @Column('integer', { nullable: true }) defaultValidityDays: number | null;
  /** Days until an order that its issuer has not answered fails; null: `defaultOrderDeadlineDays`. */
  @Column('integer', { nullable: true }) orderDeadlineDays: number | null;
  /** True: of the domain policy only rules that name it apply, and sensitive names. */
  @Column('boolean') isPrivate: boolean;
  /** True: the dated limits of publicly trusted TLS apply. Null: not decided. */
  @Column('boolean', { nullable: true }) isCabCompliant: boolean | null;
  /** False: a request without a common name is refused. */
  @Column('boolean') isCnOptional: boolean;
  /** What becomes of a request whose end is after that of the authority. */
  @Column('text') validityBeyondCa: BeyondCa;
  /** The profile of requests that name none. */
  @Column('integer', { nullable: true }) defaultProfileId: number | null;
  /** The only profiles that it issues by, beside the default one; empty: all, and none at all. */
  @Column('integer', { array: true }) allowedProfileIds: number[];
  @Column('integer', { nullable: true }) creatorId: number | null;
  /** Raised by every change, of roles too; caches compare it. */
  @Column('integer') version: number;
  @Column('timestamptz') createdAt: Date;
}

/** An authority to store. The database gives one without a public id a new one. */
export type NewAuthority = Omit<Authority, 'id' | 'publicId'> & Partial<Pick<Authority, 'publicId'>>;

type OfCertificate =
  | 'certificatePem'
  | 'chainPem'
  | 'commonName'
  | 'serialHex'
  | 'notBefore'
  | 'notAfter'
  | 'keyType'
  | 'bits'
  | 'signingAlgorithm'
  | 'pathLength';

/** All of a new authority but its certificate and key. */
export type AuthoritySettings = Omit<NewAuthority, OfCertificate | 'keyId'>;
