import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** A person or program that signs in. Never deleted, only deactivated: audit rows and certificates refer to it. */
@Entity('app_user')
@Index('app_user_username_unique', { synchronize: false })
@Index('app_user_email_unique', ['email'], { unique: true })
@Check('app_user_username_length', 'char_length(username) between 1 and 255')
@Check('app_user_email_form', 'char_length(email) between 3 and 254 and email = lower(email)')
export class User {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'BY DEFAULT' })
  id: number;

  /** Unique, ignoring case; stored as written. */
  @Column({ type: 'text' })
  username: string;

  /** Lower case, unique. */
  @Column({ type: 'text' })
  email: string;

  /** Argon2id in PHC format, or bcrypt from Lemur; null for a user without a password here. Not selected by default. */
  @Column({ type: 'text', nullable: true, select: false })
  passwordHash: string | null;

  @Column({ type: 'boolean', default: true })
  active: boolean;

  /** Session tokens carry the epoch of their issue. Raising it revokes all of them. */
  @Column({ type: 'integer', default: 0 })
  tokenEpoch: number;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  updatedAt: Date;
}
