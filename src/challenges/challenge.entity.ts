import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { ChallengeType } from '../plugin-api/challenges.js';

/** An answer to a challenge that is published, or is about to be, until it is removed. */
@Entity('challenge')
export class Challenge {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') type: ChallengeType;
  @Column('text') domain: string;
  @Column('text') value: string;
  /**
   * http-01: the token. dns-01: the name of the TXT record, behind the CNAME records that begin at `_acme-challenge`.
   * tls-alpn-01: the server name with which the CA asks.
   */
  @Column('text') place: string;
  @Column('integer', { nullable: true }) dnsProviderId: number | null;
  /** What the DNS plugin needs to remove the record; null: it has not answered yet. */
  @Column('text', { nullable: true }) recordRef: string | null;
  /** Null: it may be published, or not. */
  @Column('timestamptz', { nullable: true }) presentedAt: Date | null;
  @Column('timestamptz') removeAt: Date;
  /** Failed removals in a row. */
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz') createdAt: Date;
}
