import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { defineLane } from '../../jobs/lane.js';
import { Leases } from '../../jobs/lease.js';
import { lastingProblems } from '../../notifications/subscription.schema.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { retryAt } from '../../platform/retry.js';
import { type Failure, failureOf, isCutOff, isExpected } from '../failure.js';
import { leaseOfClaim, type Notice, type NoticeRetry } from './notice.entity.js';
import { NoticeRepository } from './notice.repository.js';
import { NoticeJudge } from './notice-judge.js';
import { NoticeSender } from './notice-sender.js';

/** The job that sends one message for all of these notices. */
export const sendNotices = defineJob('notice.send', z.strictObject({ noticeIds: z.array(z.int()).min(1) }), {
  attempts: 3,
  timeoutS: 60,
});

/** A channel that hangs delays its own messages alone. */
const channelLane = defineLane('channel', { atOnce: 2 });
/** The mail to owners, which goes through no channel. */
const ownerMailLane = defineLane('owner-mail', { atOnce: 4 });

/** The notices of one message. `channelId`: where it goes; null for the mail to an owner. */
export interface MessageToSend {
  noticeIds: number[];
  channelId: number | null;
}

/** Enqueues messages, each in the lane of its channel. */
export async function enqueueMessages(tx: Tx, messages: readonly MessageToSend[]): Promise<void> {
  await sendNotices.enqueueMany(
    tx,
    messages.map(({ noticeIds, channelId }) => ({
      data: { noticeIds },
      lane: channelId === null ? ownerMailLane.of('all') : channelLane.of(channelId),
    })),
  );
}

/** A run that dies loses its claims after this time. */
const claimS = 20;
/** The notices of a lost job are due again after this time, which is longer than a run can take. */
const againMs = 2 * sendNotices.policy.timeoutS * 1000;
/** How long the database may be away after a message was sent, without the message being sent again. */
const recordMs = 30_000;
const recordPauseMs = 500;

/** Handles `notice.send`: claims due notices, sends them and records the outcome. */
@Injectable()
export class SendNotices implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly notices: NoticeRepository,
    private readonly judge: NoticeJudge,
    private readonly sender: NoticeSender,
    private readonly clock: Clock,
    private readonly leases: Leases,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(sendNotices, (data, context) => this.run(data.noticeIds, context));
  }

  private async run(ids: readonly number[], { signal }: JobContext): Promise<void> {
    const claim = randomUUID();
    await this.leases.withLease(leaseOfClaim(claim), claimS, (lost) =>
      this.claimAndSend(ids, claim, AbortSignal.any([signal, lost])),
    );
  }

  private async claimAndSend(ids: readonly number[], claim: string, signal: AbortSignal): Promise<void> {
    const now = this.clock.now();
    const again = new Date(now.getTime() + againMs);
    const claimed = await this.db.write((tx) => this.notices.claim(tx, ids, claim, again));
    const due = await this.notices.getMany(this.db.single, claimed);
    if (due.length === 0) return;
    const { current } = await this.judge.sort(this.db.single, due, now);
    await this.putAside(due.filter((notice) => !current.includes(notice)));
    const [first, ...more] = current;
    if (!first) return;
    let open: readonly Notice[] = current;
    try {
      const prepared = await this.sender.prepare([first, ...more]);
      if (prepared === null) return await this.record(current, (notice) => notice.drop());
      const { told, broken } = prepared;
      for (const { notices, error } of broken)
        await this.recordFailed(notices, error, (notice, ...failed) => notice.failApart(...failed));
      open = told;
      const kept = [...told, ...broken.flatMap(({ notices }) => notices)];
      await this.record(
        current.filter((notice) => !kept.includes(notice)),
        (notice) => notice.drop(),
      );
      const wait = await this.sender.waitOf(prepared, now);
      if (wait !== null) return await this.record(told, (notice) => notice.wait(wait));
      await this.sender.send(prepared, signal);
      await this.recordSent(told);
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      await this.recordFailed(open, error, (notice, ...failed) => notice.fail(...failed));
    }
  }

  /**
   * Drops those that no longer apply, and holds those that wait. Judges again under the locks of those who may make
   * them apply again, so that these see what was dropped or held. What applies again stays due.
   */
  private async putAside(notices: readonly Notice[]): Promise<void> {
    if (notices.length === 0) return;
    const ids = notices.map(({ id }) => id);
    await this.db.write(async (tx) => {
      await this.judge.lockGrounds(tx, ids);
      const rows = await this.notices.lockDue(tx, ids);
      const { obsolete, waiting } = await this.judge.sort(tx, rows, this.clock.now());
      for (const notice of obsolete) notice.drop();
      for (const { notice, wait } of waiting) notice.wait(wait);
      await this.notices.save(tx, rows);
    });
  }

  private async recordFailed(
    notices: readonly Notice[],
    error: unknown,
    change: (notice: Notice, failure: Failure, retry: NoticeRetry) => void,
  ): Promise<void> {
    if (!isExpected(error)) new Logger('notify').error(error);
    const failure = failureOf(error);
    const now = this.clock.now();
    const again = this.againAt(notices, failure);
    const neededUntil = await this.judge.neededUntil(notices);
    await this.record(notices, (notice) =>
      change(notice, failure, { now, again, neededUntil: neededUntil.get(notice.id) }),
    );
  }

  /** Tries again while the database does not answer: what is not recorded would be sent twice. */
  private async recordSent(notices: readonly Notice[]): Promise<void> {
    for (const end = performance.now() + recordMs; ; await sleep(recordPauseMs)) {
      try {
        return await this.recordSentOnce(notices);
      } catch (error) {
        if (performance.now() > end) throw error;
      }
    }
  }

  private async recordSentOnce(notices: readonly Notice[]): Promise<void> {
    const now = this.clock.now();
    await this.db.write(async (tx) => {
      const ids = notices.map(({ id }) => id);
      const rows = await this.notices.lockDue(tx, ids);
      rows.forEach((notice) => notice.sent(now));
      await this.notices.save(tx, rows);
      await this.notices.planEscalations(tx, ids, lastingProblems, now);
    });
  }

  /** One time for all: they are one message at the next attempt, too. */
  private againAt(notices: readonly Notice[], { retryAfterS: hintS }: Failure): Date {
    return retryAt(this.clock.now(), Math.max(...notices.map(({ attempts }) => attempts)) + 1, { hintS });
  }

  private async record(notices: readonly Notice[], change: (notice: Notice) => void): Promise<void> {
    if (notices.length === 0) return;
    await this.db.write(async (tx) => {
      const rows = await this.notices.lockDue(
        tx,
        notices.map((notice) => notice.id),
      );
      rows.forEach(change);
      await this.notices.save(tx, rows);
    });
  }
}
