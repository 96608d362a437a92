import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, SealedColumn, sealedColumn } from '../platform/secrets/sealed.js';

/** What the secrets of export steps are bound to, beside the `secretId` of their row. */
export const exportTable = 'destination.export';

/** What the secrets of hooks are bound to, beside the `secretId` of their row. */
export const hookTable = 'destination.hook';

/** A configured destination: a destination plugin with its options. */
@Entity('destination')
export class Destination {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  /** The export plugin that makes the files of each delivery; null when the destination takes no files. */
  @Column('text', { nullable: true }) exportPluginId: string | null;
  @Column('jsonb') exportOptions: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: new SealedColumn(`${exportTable}.sealed_options`) })
  sealedExportOptions: Sealed | null;
  /** The notification plugin that is told after each delivery; null for none. */
  @Column('text', { nullable: true }) hookPluginId: string | null;
  @Column('jsonb') hookOptions: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: new SealedColumn(`${hookTable}.sealed_options`) })
  sealedHookOptions: Sealed | null;
  /** Where servers serve what is delivered: `host:port`. Each is asked after a delivery. */
  @Column('text', { array: true }) verifyAt: string[];
  /** The name to ask for where a certificate is for it; null: a name of the certificate. */
  @Column('text', { nullable: true }) verifyName: string | null;
  /** Whether a certificate that is no longer in use is delivered again. */
  @Column('boolean') repush: boolean;
  @Column('uuid') secretId: string;
  /** True: everyone may deliver here. False: administrators, operators and holders of its roles. */
  @Column('boolean') open: boolean;
  @Column('timestamptz') createdAt: Date;
}
