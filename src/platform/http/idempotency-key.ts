import { invalid } from './problem.js';

/** What the header Idempotency-Key does, for the API document. */
export const idempotencyKeyHelp =
  'A repeated request with the same key answers as the first and makes nothing again: 1 to 255 printable characters ' +
  'without spaces.';

/** The value of a header Idempotency-Key, if any. Throws Problem `invalid-request` for one that is not a key. */
export function demandIdempotencyKey(key: string | undefined): string | undefined {
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw invalid('Idempotency-Key', 'Expected 1 to 255 printable characters without spaces.');
}
