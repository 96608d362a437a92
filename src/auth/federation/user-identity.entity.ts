import { Check, Column, Entity, ForeignKey, Index, PrimaryGeneratedColumn } from 'typeorm';
import { User } from '../../users/user.entity.js';

/**
 * Who a user is elsewhere. One subject is one user for ever, and a user is one subject of each issuer: an address that
 * changes hands moves no account.
 */
@Entity('user_identity')
@Index('user_identity_subject_unique', ['issuer', 'subject'], { unique: true })
@Index('user_identity_user_unique', ['userId', 'issuer'], { unique: true })
@Check('user_identity_subject_length', 'char_length(subject) between 1 and 1024')
export class UserIdentity {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'BY DEFAULT' })
  id: number;

  @Column({ type: 'integer' })
  @ForeignKey(() => User, { name: 'user_identity_user_fk', onDelete: 'CASCADE' })
  userId: number;

  /** The issuer of an OpenID Connect provider, or `ldap:` and the base of the directory. */
  @Column({ type: 'text' })
  issuer: string;

  /**
   * What the issuer never gives to anyone else: `sub`, `objectGUID`, `entryUUID`, or the DN where there is nothing
   * better.
   */
  @Column({ type: 'text' })
  subject: string;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  lastSignInAt: Date | null;
}
