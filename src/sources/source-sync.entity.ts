import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export const syncStates = ['planned', 'running', 'done', 'failed'] as const;
export type SyncState = (typeof syncStates)[number];

/** A part of a source that could not be read or stored. */
export interface SyncTrouble {
  location: string;
  detail: string;
}

/** One look at a source, and what it came to so far. Of one source at most one is not finished. */
@Entity('source_sync')
export class SourceSync {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') sourceId: number;
  @Column('text') state: SyncState;
  /** Certificates reported, also those that were known. */
  @Column('integer') certificates: number;
  /** Those that were not known. */
  @Column('integer') imported: number;
  @Column('integer') endpoints: number;
  /** Reported by the look before and no longer. */
  @Column('integer') gone: number;
  @Column('integer') troubles: number;
  /** The first of them. */
  @Column('jsonb') troubleList: SyncTrouble[];
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz') createdAt: Date;
  @Column('timestamptz', { nullable: true }) startedAt: Date | null;
  @Column('timestamptz', { nullable: true }) finishedAt: Date | null;
}
