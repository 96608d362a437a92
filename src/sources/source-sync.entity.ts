import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { Source } from './source.entity.js';

export const syncStates = ['planned', 'running', 'done', 'failed'] as const;
export type SyncState = (typeof syncStates)[number];

/** A part of a source that could not be read or stored. */
export interface SyncTrouble {
  location: string;
  detail: string;
}

/** A sync that has started, with its source as it was then. */
export interface OpenSync {
  id: number;
  source: Source;
  startedAt: Date;
}

/** One scan of a source, with its counts so far. Each source has at most one unfinished sync. */
@Entity('source_sync')
export class SourceSync {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('integer') sourceId: number;
  @Column('text') state: SyncState;
  /** All certificates that the source reported. */
  @Column('integer') certificates: number;
  /** The reported certificates that were not stored before. */
  @Column('integer') imported: number;
  @Column('integer') endpoints: number;
  /** Certificates that became stale: two complete scans in a row have not found them. */
  @Column('integer') gone: number;
  @Column('integer') troubles: number;
  /** The first hundred. */
  @Column('jsonb') troubleList: SyncTrouble[];
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz') createdAt: Date;
  @Column('timestamptz', { nullable: true }) startedAt: Date | null;
  @Column('timestamptz', { nullable: true }) finishedAt: Date | null;
}
