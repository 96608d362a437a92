import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { JobContext } from '../jobs/define-job.js';
import { Jobs } from '../jobs/job-runner.js';
import { Periodic } from '../jobs/periodic.js';
import { PluginError } from '../plugin-api/errors.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { retryAt } from '../platform/retry.js';
import { ChallengeAnswers } from './challenge-answers.js';
import type { Challenge } from './challenge.entity.js';
import { removeChallenge } from './challenge.jobs.js';
import { ChallengeRepository } from './challenge.repository.js';

/** For an answer of which nobody knows whether it was published. With back-off, they take some days. */
const mostAttempts = 20;

/**
 * Removes the answers to challenges that were withdrawn, or that nobody presented for an hour: those of a process that
 * died too. One that cannot be removed is tried again until it is; one that is not known to be published, 20 times.
 */
@Injectable()
export class RemoveChallengeJob implements OnModuleInit {
  private readonly logger = new Logger('challenges');

  constructor(
    private readonly jobs: Jobs,
    private readonly periodic: Periodic,
    private readonly config: Config,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: ChallengeRepository,
    private readonly answers: ChallengeAnswers,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(removeChallenge, ({ challengeId }, context) => this.run(challengeId, context));
    this.periodic.everyTick('challenges', this.config.sweepIntervalS, async (_, report) =>
      report.count('challenges', await this.sweep()),
    );
  }

  private async run(id: number, { signal }: JobContext): Promise<void> {
    const challenge = await this.repository.find(this.db.single, id);
    if (!challenge || challenge.removeAt > this.clock.now()) return;
    try {
      await this.answers.remove(challenge, signal);
    } catch (error) {
      if (signal.aborted && !(error instanceof PluginError)) throw error;
      await this.notRemoved(challenge, error);
    }
  }

  private async notRemoved(challenge: Challenge, error: unknown): Promise<void> {
    const isExpected = error instanceof PluginError;
    if (!isExpected) this.logger.error(error);
    const detail = isExpected ? error.detail : 'An internal error; the log has its text.';
    if (challenge.recordRef === null && challenge.attempts + 1 >= mostAttempts) {
      // Most likely it was never published. Its row would keep the DNS provider from being deleted.
      this.logger.warn(`The answer at ${challenge.place} is given up; look whether it is there: ${detail}`);
      return this.repository.removed(this.db.single, challenge);
    }
    this.logger.warn(`The answer at ${challenge.place} is not removed yet: ${detail}`);
    const hintS = isExpected ? error.retryAfterS : undefined;
    const again = retryAt(this.clock.now(), challenge.attempts + 1, { hintS });
    await this.repository.notRemoved(this.db.single, challenge, again, detail);
  }

  /** Returns how many answers are to be removed. */
  private async sweep(): Promise<number> {
    return this.db.write(async (tx) => {
      const due = await this.repository.due(tx, this.clock.now());
      await removeChallenge.enqueueMany(
        tx,
        due.map((challengeId) => ({ data: { challengeId } })),
      );
      return due.length;
    });
  }
}
