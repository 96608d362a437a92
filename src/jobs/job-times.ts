import { Injectable } from '@nestjs/common';

/** Every interval and timeout of the jobs. Tests shorten them. */
@Injectable()
export class JobTimes {
  /** Between two polls of the outbox when nothing is due. */
  readonly pollMs: number = 250;
  /** Longest interval between two polls while the database or the queue is down. */
  readonly outagePollMs: number = 5_000;
  /** A job that the queue has not started to run after this time is added to the queue again. */
  readonly queuedLeaseS: number = 30;
  /** A run whose lease is older is taken over by another worker. The lease is renewed every third of this time. */
  readonly runLeaseS: number = 30;
  /** How long a run waits for a handler whose signal was aborted, before it ends without it. */
  readonly graceS: number = 10;
  /** A run in a lane that takes longer frees its slot, so that the process starts another run of the job. */
  readonly slotMs: number = 5_000;
  /** Redis counts as down when it has not answered within this time. */
  readonly redisTimeoutMs: number = 2_000;
}
