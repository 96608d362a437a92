import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** A warning before expiry: how long before, through which plugin, to whom. */
@Entity('notification')
export class Notification {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Unique whatever its case, among those of the program and among those of people. */
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('boolean') active: boolean;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  /** Seconds before notAfter. */
  @Column('integer') leadS: number;
  /** True for those that the program made for owners who have none (default-notifications.ts). */
  @Column('boolean') builtIn: boolean;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('timestamptz') createdAt: Date;
}
