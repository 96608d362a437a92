import { PluginError } from '../plugin-api/errors.js';
import { PkiError } from '../pki/pki-error.js';
import { Problem } from '../platform/http/problem.js';
import { problemOf } from '../platform/http/problem-of.js';
import { FernetError } from './fernet.js';

/** The reason why a row cannot be imported. Rethrows errors of an unavailable service. */
export function explainFault(error: unknown): string {
  if (error instanceof Problem) {
    const reasons = Object.entries((error.extra.reasons ?? {}) as Record<string, string[]>).map(
      ([field, texts]) => `${field}: ${texts.join(', ')}`,
    );
    return reasons.length > 0 ? reasons.join('; ') : error.detail;
  }
  if (error instanceof PluginError) return error.detail;
  if (error instanceof PkiError || error instanceof FernetError) return error.message;
  const { code, detail } = problemOf(error);
  if (code === 'unavailable') throw error;
  return detail;
}
