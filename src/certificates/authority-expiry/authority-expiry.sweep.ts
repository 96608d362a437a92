import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { leadMs } from '../../notifications/lead.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { warnOfAuthority } from './authority-expiry.jobs.js';
import {
  type AuthorityNotice,
  AuthorityNoticeRepository,
  type EndingAuthority,
} from './authority-notice.repository.js';

/** What could not be finished comes up again after this time. */
const againMs = 10 * 60_000;
const dayMs = 86_400_000;
/** Of what has ended longer ago nobody is told for the first time. */
const endedMs = 30 * dayMs;

/** Finds authorities that near their end and have not been warned about. */
@Injectable()
export class AuthorityExpirySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly notices: AuthorityNoticeRepository,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('authority-notices', this.config.sweepIntervalS, () => this.db.write((tx) => this.run(tx)));
  }

  private async run(tx: Tx): Promise<void> {
    const now = this.clock.now();
    const leads = this.config.authorityNoticeDays;
    const longestMs = Math.max(0, ...leads) * dayMs;
    const ending = await this.notices.ending(
      tx,
      new Date(now.getTime() + longestMs),
      new Date(now.getTime() - endedMs),
    );
    await this.notices.add(
      tx,
      ending.flatMap((authority) => dueNotice(authority, leads, now) ?? []),
      now,
    );
    const due = await this.notices.takeDue(tx, now, new Date(now.getTime() + againMs));
    await warnOfAuthority.enqueueMany(
      tx,
      due.map((notice) => ({ data: { ...notice, notAfter: notice.notAfter.toISOString() } })),
    );
  }
}

/**
 * The warning that is due and has not been given: of several whose time has come the one closest to the end, so that
 * what was missed, or lay before the authority was here, does not come all at once. Null when there is none.
 */
export function dueNotice(
  { id, notBefore, notAfter, told }: EndingAuthority,
  leads: readonly number[],
  now: Date,
): AuthorityNotice | null {
  const lifetimeMs = notAfter.getTime() - notBefore.getTime();
  const come = leads.filter((days) => notAfter.getTime() - leadMs(days * 86_400, lifetimeMs) <= now.getTime());
  if (come.length === 0) return null;
  const leadDays = Math.min(...come);
  return told.some((days) => days <= leadDays) ? null : { authorityId: id, leadDays, notAfter };
}
