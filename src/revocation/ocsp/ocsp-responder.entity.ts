import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../../platform/secrets/sealed.js';

/** A certificate and key with which OCSP responses are signed for one key of an authority (RFC 6960 §4.2.2.2). */
@Entity('ocsp_responder')
export class OcspResponder {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') authorityId: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the CA key that signed it, lower hex. */
  @Column('text') caSpkiSha256: string;
  @Column('text') serialHex: string;
  @Column('text') certificatePem: string;
  /** Binds `sealedKey` to this row. */
  @Column('uuid') secretId: string;
  /** PKCS#8 PEM; null once the certificate has expired. */
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedKey: Sealed | null;
  @Column('timestamptz') notBefore: Date;
  @Column('timestamptz') notAfter: Date;
  @Column('timestamptz') createdAt: Date;
}

/** The place that the sealed key is bound to. */
export function responderKeyPlace(secretId: string): string {
  return `ocsp_responder.sealed_key.${secretId}`;
}
