import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { leadMs } from '../../notifications/lead-time.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { type EndingAuthority, EndingAuthorityRepository } from './ending-authority.repository.js';
import { type EndingAuthorityNotice, Notices } from '../notify/notices.js';

const dayMs = 86_400_000;
/** No first notice is sent for an authority that expired before this time. */
const endedMs = 30 * dayMs;

/** Periodically writes notices about authorities that expire soon. */
@Injectable()
export class AuthorityExpirySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly authorities: EndingAuthorityRepository,
    private readonly notices: Notices,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('authority-notices', this.config.sweepIntervalS, async (_, report) =>
      report.count('notices', await this.db.write((tx) => this.run(tx))),
    );
  }

  /** Returns how many notices were due. */
  private async run(tx: Tx): Promise<number> {
    const now = this.clock.now();
    const leads = this.config.authorityNoticeDays;
    const longestMs = Math.max(0, ...leads) * dayMs;
    const ending = await this.authorities.list(
      tx,
      new Date(now.getTime() + longestMs),
      new Date(now.getTime() - endedMs),
    );
    const due = ending.flatMap((authority) => dueNotice(authority, leads, now) ?? []);
    for (const notice of due) await this.notices.authorityExpiring(tx, notice);
    return due.length;
  }
}

/**
 * The notice that is due and not stored yet: the one closest to the expiry, so that missed notices are not all sent at
 * once. `leads` are days. Null when there is none.
 */
export function dueNotice(
  { id, owner, notBefore, notAfter, told }: EndingAuthority,
  leads: readonly number[],
  now: Date,
): EndingAuthorityNotice | null {
  const lifetimeMs = notAfter.getTime() - notBefore.getTime();
  const come = leads.filter((days) => notAfter.getTime() - leadMs(days * 86_400, lifetimeMs) <= now.getTime());
  if (come.length === 0) return null;
  const leadDays = Math.min(...come);
  return told.some((days) => days <= leadDays) ? null : { authorityId: id, owner, leadDays, notAfter };
}
