import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** A configured destination: a destination plugin with its options. */
@Entity('destination')
export class Destination {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  /** True: everyone may deliver here. False: administrators, operators and holders of its roles. */
  @Column('boolean') open: boolean;
  @Column('timestamptz') createdAt: Date;
}
