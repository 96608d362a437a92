import { Injectable } from '@nestjs/common';

/** Every wait of the job machinery, in one place; tests shorten them. */
@Injectable()
export class JobTimes {
  /** Between two looks at the outbox when nothing is due. */
  readonly pollMs: number = 250;
  /** Longest wait between two looks while the database or the queue is down. */
  readonly outagePollMs: number = 5_000;
  /** A row that the queue has not begun to run after this is handed to it again. */
  readonly handedLeaseS: number = 30;
  /** A run whose worker has not renewed its lease for this long is taken over by another. Renewed every third of it. */
  readonly runLeaseS: number = 30;
  /** How long a handler may go on after its signal was aborted, before its run is given up. */
  readonly graceS: number = 10;
  /** A run in a lane that takes longer gives its place among the runs of this process to another. */
  readonly slotMs: number = 5_000;
  /** How long Redis may take for one answer before it counts as down. */
  readonly redisTimeoutMs: number = 2_000;
}
