import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AuthorityRepository } from '../../authorities/authority.repository.js';
import type { JobContext } from '../../jobs/define-job.js';
import { Jobs } from '../../jobs/job-runner.js';
import { Senders } from '../../notifications/senders.js';
import { render } from '../../notifications/templates.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { retryAt } from '../../platform/retry.js';
import { failureOf, isCutOff } from '../failure.js';
import { warnOfAuthority } from './authority-expiry.jobs.js';
import { type AuthorityNotice, AuthorityNoticeRepository } from './authority-notice.repository.js';

/** Writes the mail about the end of an authority. */
@Injectable()
export class AuthorityLetters {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly authorities: AuthorityRepository,
    private readonly senders: Senders,
  ) {}

  /** To the owner and the security team. Throws PluginError. */
  async send({ authorityId, leadDays, notAfter }: AuthorityNotice, signal: AbortSignal): Promise<void> {
    const authority = await this.authorities.get(this.db.single, authorityId);
    const data = { publicUrl: this.config.publicUrl, now: this.clock.now(), authority };
    await this.senders.mail(
      {
        event: 'authority.expiring',
        ...render('authority.expiring', data),
        data: { authorityId, leadDays },
        recipients: [...new Set([authority.owner, ...(this.config.securityTeamEmail ?? [])])],
        dedupeKey: `authority.expiring:${authorityId}:${leadDays}:${notAfter.getTime()}`,
      },
      signal,
    );
  }
}

/** Tells of the end of an authority, once for each lead, and writes down what became of it. */
@Injectable()
export class AuthorityExpiryJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly notices: AuthorityNoticeRepository,
    private readonly letters: AuthorityLetters,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(warnOfAuthority, (data, context) =>
      this.run({ ...data, notAfter: new Date(data.notAfter) }, context),
    );
  }

  private async run(notice: AuthorityNotice, { signal }: JobContext): Promise<void> {
    const attempts = await this.notices.attemptsOf(this.db.single, notice);
    if (attempts === null) return;
    try {
      await this.letters.send(notice, signal);
      await this.notices.sent(this.db.single, notice, this.clock.now());
    } catch (error) {
      if (isCutOff(signal, error)) throw error;
      const { detail, retryAfterS } = failureOf(error);
      await this.notices.failed(
        this.db.single,
        notice,
        detail,
        retryAt(this.clock.now(), attempts + 1, { hintS: retryAfterS }),
      );
    }
  }
}
