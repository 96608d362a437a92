import { Check, Column, Entity, ForeignKey, Index, PrimaryGeneratedColumn } from 'typeorm';
import { User } from '../users/user.entity.js';

const dayMs = 86_400_000;

/** A secret with which a program acts for a user, limited to the user's permissions and the scopes of the key. */
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

  /** The program that uses the key, as entered by the user. */
  @Column({ type: 'text', nullable: true })
  applicationName: string | null;

  /** SHA-256 of the secret; null for a key imported from Lemur, whose secret is a JWT. */
  @Column({ type: 'bytea', nullable: true })
  tokenHash: Buffer | null;

  /** The id of the key in Lemur: the claim `aid` of its JWT. */
  @Column({ type: 'integer', nullable: true })
  legacyId: number | null;

  /** The id of its user in Lemur: the claim `sub`. */
  @Column({ type: 'integer', nullable: true })
  legacyUserId: number | null;

  /** Days from `issuedAt` until it expires; -1 for never. */
  @Column({ type: 'integer' })
  ttlDays: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  issuedAt: Date;

  /** The permissions that the key is limited to; null for the default (see `permissionsOfKey`). */
  @Column({ type: 'text', array: true, nullable: true })
  scopes: string[] | null;

  @Column({ type: 'boolean', default: false })
  revoked: boolean;

  /** Accurate to about a minute; null if never used. */
  @Column({ type: 'timestamptz', nullable: true })
  lastUsedAt: Date | null;
}

/** The columns of a key that authentication needs. */
export type KeyInUse = Pick<
  ApiKey,
  'id' | 'userId' | 'name' | 'ttlDays' | 'issuedAt' | 'scopes' | 'revoked' | 'lastUsedAt'
>;

/** A key with its user, without the secret. */
export type ApiKeyOfUser = Omit<ApiKey, 'tokenHash' | 'legacyId' | 'legacyUserId'> & {
  user: { id: number; username: string; email: string; active: boolean };
};

/** When the key expires; null for never. */
export function endOf({ issuedAt, ttlDays }: Pick<KeyInUse, 'issuedAt' | 'ttlDays'>): Date | null {
  return ttlDays === -1 ? null : new Date(issuedAt.getTime() + ttlDays * dayMs);
}
