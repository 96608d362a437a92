import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { retryAt } from '../platform/retry.js';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';

/** Why a look at a source failed. `fault` is one of PluginFault, or `internal`. */
export interface SyncFailure {
  fault: string;
  detail: string;
  retryAfterS?: number;
}

/** A place in which certificates are looked for: a source plugin with its options. */
@Entity('source')
export class Source {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') label: string;
  @Column('text', { nullable: true }) description: string | null;
  /** Whose the certificates are of which the place itself does not say it. */
  @Column('text') owner: string;
  /** False: looked at only when somebody asks. */
  @Column('boolean') active: boolean;
  @Column('text') pluginId: string;
  @Column('jsonb') options: Record<string, unknown>;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedOptions: Sealed | null;
  @Column('uuid') secretId: string;
  @Column('integer', { nullable: true }) creatorId: number | null;
  /** Seconds from the end of one look to the next. */
  @Column('integer') pollS: number;
  /** The end of the last look that saw everything. */
  @Column('timestamptz', { nullable: true }) lastRunAt: Date | null;
  @Column('timestamptz', { nullable: true }) nextRunAt: Date | null;
  /** Failures in a row. */
  @Column('integer') attempts: number;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz') createdAt: Date;

  recordSync(now: Date): void {
    this.lastRunAt = now;
    this.attempts = 0;
    this.fault = null;
    this.faultDetail = null;
    this.nextRunAt = this.active ? new Date(now.getTime() + this.pollS * 1000) : null;
  }

  /** Tried again sooner than the next poll at first, and never more seldom than that. */
  recordFailure({ fault, detail, retryAfterS }: SyncFailure, now: Date): void {
    this.attempts += 1;
    this.fault = fault;
    this.faultDetail = detail;
    this.nextRunAt = this.active
      ? retryAt(now, this.attempts + 2, { hintS: retryAfterS, atMostMs: this.pollS * 1000 })
      : null;
  }

  /** It was made or changed: how it did before says nothing any more. */
  begin(now: Date): void {
    this.attempts = 0;
    this.fault = null;
    this.faultDetail = null;
    this.nextRunAt = this.active ? now : null;
  }
}
