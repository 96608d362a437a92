import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { ChannelLayout } from './channel-layout.js';
import type { Digest, QuietHours } from './channel-times.js';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/**
 * Who created a channel: a person over /channels; a notification, which also changes and deletes it; or the program,
 * for the default notifications of an owner.
 */
export type ChannelOrigin = 'person' | 'notification' | 'program';

/** A configured way to send messages: a notification plugin with its options. */
@Entity('channel')
export class Channel {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Unique among channels of persons, ignoring case. */
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('boolean') active: boolean;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  /** The mail addresses of the plugin's options, lower case; null when it does not send mail. */
  @Column('text', { array: true, nullable: true }) recipients: string[] | null;
  @Column('jsonb', { nullable: true }) quietHours: QuietHours | null;
  @Column('jsonb', { nullable: true }) digest: Digest | null;
  @Column('jsonb', { nullable: true }) layout: ChannelLayout | null;
  @Column('text') origin: ChannelOrigin;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
