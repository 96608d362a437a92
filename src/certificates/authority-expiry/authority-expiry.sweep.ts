import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Periodic } from '../../jobs/periodic.js';
import { leadMs } from '../../notifications/lead-time.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { type EndingAuthority, EndingAuthorityRepository } from './ending-authority.repository.js';
import { type EndingAuthorityNotice, Notices } from '../notify/notices.js';

const dayMs = 86_400_000;
/** Nobody is told for the first time of an authority that ended longer ago. */
const endedMs = 30 * dayMs;

/** Finds authorities that expire soon and of which nobody has been told. */
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
    this.periodic.everyTick('authority-notices', this.config.sweepIntervalS, () => this.db.write((tx) => this.run(tx)));
  }

  private async run(tx: Tx): Promise<void> {
    const now = this.clock.now();
    const leads = this.config.authorityNoticeDays;
    const longestMs = Math.max(0, ...leads) * dayMs;
    const ending = await this.authorities.list(
      tx,
      new Date(now.getTime() + longestMs),
      new Date(now.getTime() - endedMs),
    );
    for (const notice of ending.flatMap((authority) => dueNotice(authority, leads, now) ?? []))
      await this.notices.authorityExpiring(tx, notice);
  }
}

/**
 * The notice that is due and is not in the ledger: of several the one closest to the end, so that those that were
 * missed, or were due before the authority was here, are not sent all at once. Null when there is none.
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
