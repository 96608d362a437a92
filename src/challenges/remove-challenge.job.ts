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
import { removeChallenge } from './challenge.jobs.js';
import { ChallengeRepository } from './challenge.repository.js';

/**
 * Removes the answers to challenges that were withdrawn, or that nobody presented for an hour: those of a process that
 * died too. One that cannot be removed is tried again until it is.
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
    this.periodic.everyTick('challenges', this.config.sweepIntervalS, () => this.sweep());
  }

  private async run(id: number, { signal }: JobContext): Promise<void> {
    const challenge = await this.repository.find(this.db.single, id);
    const now = this.clock.now();
    if (!challenge || challenge.removeAt > now) return;
    try {
      await this.answers.remove(challenge, signal);
    } catch (error) {
      if (!(error instanceof PluginError)) throw error;
      this.logger.warn(`The answer at ${challenge.place} is not removed yet: ${error.detail}`);
      const again = retryAt(now, challenge.attempts + 1, { hintS: error.retryAfterS });
      await this.repository.notRemoved(this.db.single, challenge, again, error.detail);
    }
  }

  private async sweep(): Promise<void> {
    await this.db.write(async (tx) => {
      const due = await this.repository.due(tx, this.clock.now());
      await removeChallenge.enqueueMany(
        tx,
        due.map((challengeId) => ({ data: { challengeId } })),
      );
    });
  }
}
