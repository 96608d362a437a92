import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A mail that was kept here because the installation has no mail server. */
@Entity('mail')
export class Mail {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text', { array: true }) recipients: string[];
  @Column('text') subject: string;
  @Column('text') text: string;
  @Column('text', { nullable: true }) html: string | null;
  /** Unique: a mail that is handed over again is the same mail. */
  @Column('text') dedupeKey: string;
  @Column('timestamptz', { default: () => 'now()' }) createdAt: Date;
}
