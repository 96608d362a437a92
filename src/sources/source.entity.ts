import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { retryAt } from '../platform/retry.js';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** Why a scan failed. `fault` is one of PluginFault, or `internal`. */
export interface SyncFailure {
  fault: string;
  detail: string;
  retryAfterS?: number;
}

/** A configured place where certificates are looked for: a source plugin with its options. */
@Entity('source')
export class Source {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  /** Owner of the certificates for which the source does not report an owner. */
  @Column('text') owner: string;
  /** False: scanned only on request. */
  @Column('boolean') active: boolean;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  @Column('integer', { nullable: true }) creatorId: number | null;
  /** From the end of one scan to the start of the next. */
  @Column('integer') pollS: number;
  /** The end of the last complete scan. */
  @Column('timestamptz', { nullable: true }) lastRunAt: Date | null;
  @Column('timestamptz', { nullable: true }) nextRunAt: Date | null;
  /** Consecutive failures. */
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  /** Where the next scan begins, in the words of a plugin that reports only what is new; null for the beginning. */
  @Column('text', { nullable: true }) position: string | null;
  @Column('timestamptz') createdAt: Date;

  recordSync(now: Date): void {
    this.lastRunAt = now;
    this.attempts = 0;
    this.fault = null;
    this.faultDetail = null;
    this.nextRunAt = this.active ? new Date(now.getTime() + this.pollS * 1000) : null;
  }

  /** The retry delay grows with each failure, up to the poll interval. */
  recordFailure({ fault, detail, retryAfterS }: SyncFailure, now: Date): void {
    this.attempts += 1;
    this.fault = fault;
    this.faultDetail = detail;
    this.nextRunAt = this.active
      ? retryAt(now, this.attempts + 2, { hintS: retryAfterS, atMostMs: this.pollS * 1000 })
      : null;
  }

  /** For a source that was created or changed: forgets its failures and makes it due. */
  begin(now: Date): void {
    this.attempts = 0;
    this.fault = null;
    this.faultDetail = null;
    this.nextRunAt = this.active ? now : null;
  }
}
