import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** A configured DNS service: a dns plugin with its options, and the zones in which it publishes. */
@Entity('dns_provider')
export class DnsProvider {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  /** Unique, ignoring case. */
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  /** Fully qualified, lower case, without a dot at the end. */
  @Column('text', { array: true }) zones: string[];
  /** True: a person named the zones. False: the service is asked for them. */
  @Column('boolean') zonesGiven: boolean;
  /** When the service was last asked for its zones; null: not yet with these options. */
  @Column('timestamptz', { nullable: true }) zonesAt: Date | null;
  @Column('timestamptz') createdAt: Date;
}
