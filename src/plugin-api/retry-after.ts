import type { FetchResponse } from './site.js';

/**
 * Whole seconds, rounded up, that `Retry-After` asks to wait (RFC 9110 §10.2.3): a number, or a date, which counts
 * from the `Date` of the same answer, by the clock of the server. Undefined for none, the past and nonsense.
 */
export function retryAfterOf({ headers }: Pick<FetchResponse, 'headers'>): number | undefined {
  const value = headers['retry-after']?.trim() ?? '';
  // JavaScript reads dates into much else, such as negative numbers.
  const end = /^[a-z]{3,9},? /i.test(value) ? Date.parse(value) : NaN;
  const asDate = (): number => (end - Date.parse(headers['date'] ?? '')) / 1000;
  const waitS = Math.ceil(/^\d+(\.\d+)?$/.test(value) ? Number(value) : asDate());
  return Number.isSafeInteger(waitS) && waitS > 0 ? waitS : undefined;
}
