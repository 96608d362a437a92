import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, SealedColumn } from '../secrets/sealed.js';
import type { KeyStoreName } from './key-store.js';

/** A private key of a CA, sealed or in a token. Only SigningKeys reads it. */
@Entity('signing_key')
export class SigningKey {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Binds the sealed column to this row. */
  @Column('uuid') secretId: string;
  /** PKCS#8 PEM. Keys were first kept in the table `authority`, so they are bound to that column. */
  @Column('bytea', { nullable: true, transformer: new SealedColumn('authority.sealed_key') }) sealedKey: Sealed | null;
  @Column({ type: 'text', default: 'sealed' }) store: KeyStoreName;
  /** Its CKA_ID in the token. */
  @Column('bytea', { nullable: true }) deviceId: Buffer | null;
  /** Of a key in a token: SubjectPublicKeyInfo. */
  @Column('bytea', { nullable: true }) spkiDer: Buffer | null;
  @Column('timestamptz') createdAt: Date;
}

/** The place that a sealed key is bound to. */
export function signingKeyPlace(secretId: string): string {
  return `authority.sealed_key.${secretId}`;
}
