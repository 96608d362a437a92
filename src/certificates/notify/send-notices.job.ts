import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { defineJob, type JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { lastingProblems } from '../../notifications/subscription.schema.js';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { failureOf, isCutOff, isExpected } from '../failure.js';
import type { Notice } from './notice.entity.js';
import { NoticeRepository } from './notice.repository.js';
import { NoticeJudge } from './notice-judge.js';
import { NoticeSender } from './notice-sender.js';

/** The job that sends one message for all of these notices. */
export const sendNotices = defineJob('notice.send', z.strictObject({ noticeIds: z.array(z.int()).min(1) }), {
  attempts: 3,
  timeoutS: 60,
});

/** How long a claim lasts: longer than a run can. */
const claimMs = 2 * sendNotices.policy.timeoutS * 1000;

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
  ) {}

  onModuleInit(): void {
    this.jobs.handle(sendNotices, (data, context) => this.run(data.noticeIds, context));
  }

  private async run(ids: readonly number[], { signal }: JobContext): Promise<void> {
    const now = this.clock.now();
    const claimedUntil = new Date(now.getTime() + claimMs);
    const due = await this.notices.getMany(
      this.db.single,
      await this.notices.claim(this.db.single, ids, now, claimedUntil),
    );
    if (due.length === 0) return;
    const { current, obsolete, waiting } = await this.judge.sort(due, now);
    await this.record(obsolete, (notice) => notice.drop());
    for (const { notice, wait } of waiting) await this.record([notice], (row) => row.wait(wait));
    const [first, ...more] = current;
    if (!first) return;
    try {
      const prepared = await this.sender.prepare([first, ...more]);
      if (prepared === null) return await this.record(current, (notice) => notice.drop());
      const { told } = prepared;
      await this.record(
        current.filter((notice) => !told.includes(notice)),
        (notice) => notice.drop(),
      );
      const wait = await this.sender.waitOf(prepared, now);
      if (wait !== null) return await this.record(told, (notice) => notice.wait(wait));
      await this.sender.send(prepared, signal);
      await this.recordSent(told);
    } catch (error) {
      if (isCutOff(signal, error)) {
        await this.record(current, (notice) => notice.release(claimedUntil));
        throw error;
      }
      if (!isExpected(error)) new Logger('notify').error(error);
      await this.record(current, (notice) => notice.fail(failureOf(error), this.clock.now()));
    }
  }

  private async recordSent(notices: readonly Notice[]): Promise<void> {
    const now = this.clock.now();
    await this.db.write(async (tx) => {
      const ids = notices.map(({ id }) => id);
      const rows = await this.notices.lockDue(tx, ids);
      rows.forEach((notice) => notice.sent(now));
      await this.notices.save(tx, rows);
      await this.notices.planEscalations(tx, ids, lastingProblems, now);
    });
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
