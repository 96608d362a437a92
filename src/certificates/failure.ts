import { isHandedOn } from '../jobs/interruption.js';
import { PkiError } from '../pki/pki-error.js';
import { PluginError, type PluginFault } from '../plugin-api/errors.js';
import { Problem } from '../platform/http/problem.js';
import type { RetryBounds } from '../platform/retry.js';
import { KeyRingError } from '../platform/secrets/key-ring.js';

/** Why an attempt failed, as a row stores it. `fault` tells who must act. `overdue`: the order passed its deadline. */
export interface Failure {
  fault: PluginFault | 'internal' | 'overdue';
  detail: string;
  retryAfterS?: number;
  /** As of PluginError. */
  told?: readonly string[];
}

/** The failure to store for an error. Anything but an expected error is a bug: its text is only in the log. */
export function failureOf(error: unknown): Failure {
  if (error instanceof PluginError) {
    const { fault, detail, retryAfterS, told } = error;
    return { fault, detail, retryAfterS, told };
  }
  if (error instanceof PkiError) return { fault: 'misconfigured', detail: error.message };
  if (error instanceof Problem) return { fault: 'misconfigured', detail: error.detail };
  if (error instanceof KeyRingError) return { fault: 'misconfigured', detail: error.message };
  return { fault: 'internal', detail: 'Something broke on our side; the log says what.' };
}

/** The longest wait before a retry while a CA is unavailable, so that orders are placed soon after an outage. */
const longestOutageWaitMs = 15 * 60_000;

/** Bounds of the wait before an order is retried. */
export function orderRetryBounds({ fault, retryAfterS: hintS = 0 }: Failure): RetryBounds {
  return fault === 'unavailable' ? { hintS, atMostMs: Math.max(longestOutageWaitMs, hintS * 1000) } : { hintS };
}

/** True when the run of a job was interrupted before its work ended. The run must throw the error, and is repeated. */
export function isCutOff(signal: AbortSignal, error: unknown): boolean {
  return isHandedOn(signal) || (signal.aborted && !isExpected(error));
}

/** True when the error needs no line in the log, because the row that stores it says everything. */
export function isExpected(error: unknown): boolean {
  return error instanceof PluginError || error instanceof PkiError || error instanceof Problem;
}
