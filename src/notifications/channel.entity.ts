import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/**
 * Who made a channel: a person over /channels; a notification, with which it changes and goes; or the program, for the
 * default notifications of an owner.
 */
export type ChannelOrigin = 'person' | 'notification' | 'program';

/** A configured notification plugin: how messages go out, and to whom. */
@Entity('channel')
export class Channel {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Unique whatever its case, among those of people. */
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('boolean') active: boolean;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  /** The mail addresses that it tells itself, lower case; null when it does not send mail. */
  @Column('text', { array: true, nullable: true }) recipients: string[] | null;
  @Column('text') origin: ChannelOrigin;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
