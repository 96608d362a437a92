import { publicTlsMaxDays } from '../pki/public-tls.js';
import type { Limits } from './limits.js';

/** The longest that certificates live: `days` to tell people, `longestMs` from notBefore to notAfter. */
export interface IssuanceCap {
  days: number;
  longestMs: number;
}

const dayMs = 86_400_000;

/**
 * What limits come to on that date: their days, or those of publicly trusted TLS where that is kept to, whichever are
 * fewer; null without any.
 */
export function issuanceCap({ maxDays, publicTls }: Limits, issuedAt: Date): IssuanceCap | null {
  const own = maxDays === null ? null : { days: maxDays, longestMs: maxDays * dayMs };
  if (!publicTls) return own;
  const days = publicTlsMaxDays(issuedAt);
  const dated = { days, longestMs: days * dayMs - 1000 };
  return own && own.longestMs < dated.longestMs ? own : dated;
}
