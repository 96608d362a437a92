import { Check, Column, Entity, ForeignKey, Index, PrimaryGeneratedColumn } from 'typeorm';
import { User } from '../users/user.entity.js';

/** A secret with which a program acts for a user, within that user's rights and its own scopes. */
@Entity('api_key')
@Index('api_key_token_hash_unique', ['tokenHash'], { unique: true })
@Index('api_key_user_index', ['userId'])
@Check('api_key_name_length', 'char_length(name) between 1 and 128')
@Check('api_key_ttl', 'ttl_days = -1 or ttl_days > 0')
@Index('api_key_legacy_id_unique', ['legacyId'], { unique: true })
@Check('api_key_token_hash_length', 'octet_length(token_hash) = 32')
@Check(
  'api_key_legacy',
  '(token_hash is null) = (legacy_id is not null) and (legacy_id is null) = (legacy_user_id is null)',
)
export class ApiKey {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'BY DEFAULT' })
  id: number;

  @Column({ type: 'integer' })
  @ForeignKey(() => User, { name: 'api_key_user_fk', onDelete: 'CASCADE' })
  userId: number;

  @Column({ type: 'text' })
  name: string;

  /** The program that uses the key, in its maker's words. */
  @Column({ type: 'text', nullable: true })
  applicationName: string | null;

  /** SHA-256 of the secret; null for a key carried over from Lemur, whose secret is a JWT. */
  @Column({ type: 'bytea', nullable: true })
  tokenHash: Buffer | null;

  /** The id that the key had in Lemur, and which its JWT names in the claim `aid`. */
  @Column({ type: 'integer', nullable: true })
  legacyId: number | null;

  /** The id that its user had in Lemur: the claim `sub`. */
  @Column({ type: 'integer', nullable: true })
  legacyUserId: number | null;

  /** Days from `issuedAt` until it ends; -1 for never. */
  @Column({ type: 'integer' })
  ttlDays: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  issuedAt: Date;

  /**
   * The permissions that it is limited to; null for what an ordinary key may (see `permissionsOfKey` in
   * api-key-scope.ts).
   */
  @Column({ type: 'text', array: true, nullable: true })
  scopes: string[] | null;

  @Column({ type: 'boolean', default: false })
  revoked: boolean;

  /** To the minute or so; null while never used. */
  @Column({ type: 'timestamptz', nullable: true })
  lastUsedAt: Date | null;
}
