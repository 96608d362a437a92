import type { RenewalInfo } from '../../plugin-api/issuer.js';
import type { Certificate } from '../certificate.entity.js';
import type { SuggestedRenewal } from './renewal-info.repository.js';

const hourMs = 3_600_000;
/** What was held begins in the last part of the window: so much of it, and not more than these hours. */
const lastPart = { share: 1 / 10, mostMs: 6 * hourMs };

/**
 * The suggestion to store. Its moments are random, so that the clients of a CA do not renew at the same time, and stay
 * while the window is the same. Null for a window that ends before it starts.
 */
export function suggestionOf(
  { windowStart, windowEnd, explanationUrl: url }: Pick<RenewalInfo, 'windowStart' | 'windowEnd' | 'explanationUrl'>,
  known: SuggestedRenewal | null,
  certificate: Pick<Certificate, 'notBefore' | 'notAfter'>,
): SuggestedRenewal | null {
  const lengthMs = windowEnd.getTime() - windowStart.getTime();
  const explanationUrl = url ?? null;
  if (!(lengthMs > 0)) return null;
  if (known?.windowStart.getTime() === windowStart.getTime() && known.windowEnd.getTime() === windowEnd.getTime())
    return { ...known, explanationUrl };
  const suggestedAt = new Date(windowStart.getTime() + Math.random() * lengthMs);
  const isDeadline = known !== null || isEarly(windowEnd, certificate);
  const lastMs = Math.min(lengthMs * lastPart.share, lastPart.mostMs) * (1 - Math.random() / 2);
  const lastAt = new Date(Math.max(suggestedAt.getTime(), windowEnd.getTime() - lastMs));
  return { windowStart, windowEnd, suggestedAt, lastAt: isDeadline ? lastAt : null, explanationUrl };
}

/**
 * True for a window that ends in the first half of the lifetime. The usual one is in the second half: a renewal that is
 * due in it is early enough to wait for the next maintenance window, also when it is over before the CA is first asked,
 * as after an import. A CA that is about to revoke suggests an earlier window, or another one than before.
 */
function isEarly(windowEnd: Date, { notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>): boolean {
  return windowEnd.getTime() < (notBefore.getTime() + notAfter.getTime()) / 2;
}
