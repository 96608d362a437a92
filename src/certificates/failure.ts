import { isHandedOn } from '../jobs/interruption.js';
import { PkiError } from '../pki/pki-error.js';
import { PluginError } from '../plugin-api/errors.js';
import { Problem } from '../platform/http/problem.js';
import { KeyRingError } from '../platform/secrets/key-ring.js';
import type { Failure } from './certificate.entity.js';

/** A failure as it is kept on a row. What is not known on purpose is a bug: its text stays in the log. */
export function failureOf(error: unknown): Failure {
  if (error instanceof PluginError) return { fault: error.fault, detail: error.detail, retryAfterS: error.retryAfterS };
  if (error instanceof PkiError) return { fault: 'misconfigured', detail: error.message };
  if (error instanceof Problem) return { fault: 'misconfigured', detail: error.detail };
  if (error instanceof KeyRingError) return { fault: 'misconfigured', detail: error.message };
  return { fault: 'internal', detail: 'Something broke on our side; the log says what.' };
}

/**
 * True when a job's run was cut off before it learned how its work ended: the run ends with the error, and the work is
 * done again.
 */
export function isCutOff(signal: AbortSignal, error: unknown): boolean {
  return isHandedOn(signal) || (signal.aborted && !isExpected(error));
}

/** True when the error is expected and needs no line in the log beyond the row. */
export function isExpected(error: unknown): boolean {
  return error instanceof PluginError || error instanceof PkiError || error instanceof Problem;
}
