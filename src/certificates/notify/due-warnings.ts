import { leadMs } from '../../notifications/lead-time.js';
import type { SubscribedCertificate } from './certificate-subscription.repository.js';
import type { NewNotice } from './notice.repository.js';

/**
 * The warnings of a certificate that are due and have no notice yet. They are due after the expiry too, when no earlier
 * warning could be sent.
 */
export function dueWarnings(certificate: SubscribedCertificate, now: Date): NewNotice[] {
  if (!certificate.watched) return [];
  return certificate.leads
    .filter((lead) => !lead.told && warnAt(certificate, lead.leadS) <= now)
    .map(({ id, dedupeKey }) => ({
      certificateId: certificate.id,
      subscriptionId: id,
      event: 'certificate.expiring' as const,
      dedupeKey,
    }));
}

/** When the first warning without a notice is due: in the past when it is overdue, null when none is left. */
export function nextWarningAt(certificate: SubscribedCertificate): Date | null {
  if (!certificate.watched) return null;
  const left = certificate.leads.filter(({ told }) => !told).map(({ leadS }) => warnAt(certificate, leadS).getTime());
  return left.length > 0 ? new Date(Math.min(...left)) : null;
}

/** When a warning with this lead (seconds before `notAfter`) is due. */
export function warnAt({ notBefore, notAfter }: SubscribedCertificate, leadS: number): Date {
  return new Date(notAfter.getTime() - leadMs(leadS, notAfter.getTime() - notBefore.getTime()));
}
