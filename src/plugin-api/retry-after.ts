import type { FetchResponse } from './site.js';

/**
 * Whole seconds, rounded up, that `Retry-After` asks to wait (RFC 9110 §10.2.3): a number, or a date, which counts from
 * the `Date` of the same answer, by the clock of the server. Undefined for none, the past and nonsense.
 */
export function retryAfterOf({ headers }: Pick<FetchResponse, 'headers'>): number | undefined {
  const value = headers['retry-after']?.trim() ?? '';
  const asDate = (): number => (Date.parse(value) - Date.parse(headers['date'] ?? '')) / 1000;
  const waitS = Math.ceil(/^\d+(\.\d+)?$/.test(value) ? Number(value) : asDate());
  return Number.isSafeInteger(waitS) && waitS > 0 ? waitS : undefined;
}
