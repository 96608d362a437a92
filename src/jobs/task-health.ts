import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database } from '../platform/db/database.js';
import { Readiness } from '../platform/health/readiness.js';
import { Periodic } from './periodic.js';
import { PeriodicRepository, type PeriodicStatus } from './periodic.repository.js';
import { isStale } from './staleness.js';

/** A declared task with its interval in seconds. `status`: null before anything is known of it. */
export interface TaskState {
  readonly name: string;
  readonly intervalS: number;
  readonly status: PeriodicStatus | null;
  readonly stale: boolean;
}

/** Tells which periodic tasks are stale or paused, and warns of them in `/health/ready`, in every process. */
@Injectable()
export class TaskHealth implements OnModuleInit {
  private readonly startedAtMs = performance.now();

  constructor(
    private readonly db: Database,
    private readonly periodic: Periodic,
    private readonly repository: PeriodicRepository,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    this.readiness.warn('stale tasks', () => this.warningOf(({ stale }) => stale, 'No success in time'));
    this.readiness.warn('paused tasks', () => this.warningOf(({ status }) => Boolean(status?.pausedAt), 'Paused'));
  }

  /** Every declared task, ordered by name. */
  async states(): Promise<TaskState[]> {
    const known = new Map((await this.repository.list(this.db.single)).map((status) => [status.name, status]));
    const waitedS = (performance.now() - this.startedAtMs) / 1000;
    return [...this.periodic.intervals]
      .map(([name, intervalS]) => {
        const status = known.get(name);
        return { name, intervalS, status: status ?? null, stale: isStale(intervalS, status, waitedS) };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private async warningOf(applies: (state: TaskState) => boolean, words: string): Promise<string | null> {
    const names = (await this.states()).filter(applies).map(({ name }) => name);
    if (names.length === 0) return null;
    return `${words}: the periodic tasks ${names.join(', ')}. GET /api/1/tasks tells more.`;
  }
}
