import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { EndpointCipher } from '../plugin-api/source.js';

/** An endpoint as the last scan of its source saw it. Its key is (source, external id, port). */
@Entity('endpoint')
export class Endpoint {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') sourceId: number;
  @Column('text') externalId: string;
  @Column('integer') port: number;
  @Column('text') name: string;
  @Column('text') dnsName: string;
  @Column('text') owner: string;
  @Column('text') type: string;
  @Column('text', { array: true }) aliases: string[];
  /** The managed certificate that it serves; null when it serves another one, or none. */
  @Column('integer', { nullable: true }) certificateId: number | null;
  @Column('text', { nullable: true }) servedSha256: string | null;
  @Column('text', { nullable: true }) servedSerialHex: string | null;
  @Column('timestamptz', { nullable: true }) servedNotAfter: Date | null;
  @Column('text', { nullable: true }) protocol: string | null;
  @Column('text', { nullable: true }) cipher: string | null;
  @Column('text') policyName: string;
  @Column('jsonb') ciphers: EndpointCipher[];
  /** Why the last scan did not see it; null when it did. */
  @Column('text', { nullable: true }) faultDetail: string | null;
  /** The sync that saw it last; null when that was before syncs were stored here. */
  @Column('integer', { nullable: true }) syncId: number | null;
  /** The last sync that could not read the part of the source in which it is: that sync counts no miss. */
  @Column('integer', { nullable: true }) unreadSyncId: number | null;
  /** How many complete syncs in a row have not seen it. */
  @Column('integer') missed: number;
  /** When the second complete sync in a row has not seen it; null until then. */
  @Column('timestamptz', { nullable: true }) staleSince: Date | null;
  @Column('timestamptz') firstSeenAt: Date;
  @Column('timestamptz') lastSeenAt: Date;
}
