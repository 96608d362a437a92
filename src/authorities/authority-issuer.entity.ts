import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { KeyRef } from '../platform/keys/key-store.js';

/**
 * How the program learned of a certificate: made with the authority, told by the issuer, uploaded by a person, made
 * when the authority was renewed, or signed by another authority for its key.
 */
export const issuerOrigins = ['created', 'described', 'uploaded', 'renewed', 'cross-signed'] as const;
export type IssuerOrigin = (typeof issuerOrigins)[number];

/**
 * A certificate with which an authority issues, or has issued. An authority whose key is here has rows only once it has
 * more than one certificate.
 */
@Entity('authority_issuer')
export class AuthorityIssuer {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') authorityId: number;
  @Column('text') certificatePem: string;
  /** The CAs above it in order, the root last where it is known. */
  @Column('text', { array: true }) chainPem: string[];
  /** RFC 4514 text. */
  @Column('text') subject: string;
  @Column('text') serialHex: string;
  /** Its subject key identifier, lower hex. */
  @Column('text', { nullable: true }) keyIdentifier: string | null;
  /** Of the certificate in DER, lower hex. */
  @Column('text') sha256: string;
  @Column('timestamptz') notBefore: Date;
  @Column('timestamptz') notAfter: Date;
  @Column('text') origin: IssuerOrigin;
  /** Its private key in the KeyStore; null when the key is elsewhere. */
  @Column('integer', { nullable: true }) keyId: KeyRef | null;
  /** The authority here that signed a cross-certificate; null: its parent, itself, or a CA elsewhere. */
  @Column('integer', { nullable: true }) signerId: number | null;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}

/** What is read from the certificate itself. */
export type IssuerFacts = Omit<
  AuthorityIssuer,
  'id' | 'authorityId' | 'origin' | 'keyId' | 'signerId' | 'creatorId' | 'createdAt'
>;
