import { publicTlsMaxDays } from '../pki/public-tls.js';
import type { Authority } from './authority.entity.js';

/** The longest that certificates live: `days` to tell people, `longestMs` from notBefore to notAfter. */
export interface IssuanceCap { days: number; longestMs: number }

const dayMs = 86_400_000;

/** What binds an authority on that date: its own limit, or that of publicly trusted TLS where it keeps to it, whichever is lower; null without any. */
export function issuanceCap({ maxValidityDays, isCabCompliant }: Pick<Authority, 'maxValidityDays' | 'isCabCompliant'>, issuedAt: Date): IssuanceCap | null {
  const own = maxValidityDays === null ? null : { days: maxValidityDays, longestMs: maxValidityDays * dayMs };
  if (!isCabCompliant) return own;
  const days = publicTlsMaxDays(issuedAt);
  const dated = { days, longestMs: days * dayMs - 1000 };
  return own && own.longestMs < dated.longestMs ? own : dated;
}
