import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * A person or program that signs in. Never deleted, only made inactive: audit rows and certificates name it for ever.
 */
@Entity('app_user')
@Index('app_user_username_unique', { synchronize: false })
@Index('app_user_email_unique', ['email'], { unique: true })
@Check('app_user_username_length', 'char_length(username) between 1 and 255')
@Check('app_user_email_form', 'char_length(email) between 3 and 254 and email = lower(email)')
export class User {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'BY DEFAULT' })
  id: number;

  /** Unique whatever its case; kept as written. */
  @Column({ type: 'text' })
  username: string;

  /** Lower case, unique. */
  @Column({ type: 'text' })
  email: string;

  /**
   * Argon2id in PHC form; null when only another system can vouch for the user. Read only where a password is checked.
   */
  @Column({ type: 'text', nullable: true, select: false })
  passwordHash: string | null;

  @Column({ type: 'boolean', default: true })
  active: boolean;

  /** Tokens carry the epoch of their issue; raising it revokes all of them at once. */
  @Column({ type: 'integer', default: 0 })
  tokenEpoch: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  updatedAt: Date;
}
