/**
 * The maximum validity of a publicly trusted TLS certificate, in days, by date of issuance (UTC): CA/Browser Forum, TLS
 * Baseline Requirements §6.3.2. A day is 86,400 s and both ends count, so notAfter - notBefore is one second less.
 */
const limits = [
  { from: Date.UTC(2029, 2, 15), days: 47 },
  { from: Date.UTC(2027, 2, 15), days: 100 },
  { from: Date.UTC(2026, 2, 15), days: 200 },
  { from: -Infinity, days: 398 },
] as const;

export function publicTlsMaxDays(issuedAt: Date): number {
  return limits.find(({ from }) => issuedAt.getTime() >= from)?.days ?? 398;
}
