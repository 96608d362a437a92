import { Check, Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** A mail that was kept here because the installation has no mail server. */
@Entity('mail')
@Index('mail_dedupe_key_unique', ['dedupeKey'], { unique: true })
@Check('mail_has_recipient', 'cardinality(recipients) > 0')
export class Mail {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text', { array: true }) recipients: string[];
  @Column('text') subject: string;
  @Column('text') text: string;
  @Column('text', { nullable: true }) html: string | null;
  /** Unique: a mail that is submitted again is the same mail. */
  @Column('text') dedupeKey: string;
  @Column('timestamptz', { default: () => 'now()' }) createdAt: Date;
}
