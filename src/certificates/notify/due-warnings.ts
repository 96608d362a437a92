import { leadMs } from '../../notifications/lead.js';
import type { NewNotice } from './notice.repository.js';
import type { Watched } from './watch.repository.js';

/** The warnings that are due and not in the ledger; also after the end, when nobody could be told before it. */
export function dueWarnings(watched: Watched, now: Date): NewNotice[] {
  if (!watched.watching) return [];
  return watched.leads
    .filter((lead) => !lead.told && warnAt(watched, lead.leadS) <= now)
    .map(({ id, dedupeKey }) => ({
      certificateId: watched.id,
      subscriptionId: id,
      event: 'certificate.expiring' as const,
      dedupeKey,
    }));
}

/** When the first warning is due that is not in the ledger; in the past when it is overdue, null when none is left. */
export function nextWarningAt(watched: Watched): Date | null {
  if (!watched.watching) return null;
  const left = watched.leads.filter((lead) => !lead.told).map((lead) => warnAt(watched, lead.leadS).getTime());
  return left.length > 0 ? new Date(Math.min(...left)) : null;
}

/** When a lead (seconds) is due. */
export function warnAt({ notBefore, notAfter }: Watched, leadS: number): Date {
  return new Date(notAfter.getTime() - leadMs(leadS, notAfter.getTime() - notBefore.getTime()));
}
