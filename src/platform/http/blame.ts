import { PkiError } from '../../pki/pki-error.js';
import { invalid } from './problem.js';

/**
 * Runs `work`; a PkiError that it throws becomes a refusal of the request's member `field`.
 */
export function blame<T>(field: string, work: () => T): T {
  try {
    const result = work();
    if (result instanceof Promise)
      return result.catch((error: unknown) => {
        throw asRefusal(field, error);
      }) as T;
    return result;
  } catch (error) {
    throw asRefusal(field, error);
  }
}

function asRefusal(field: string, error: unknown): unknown {
  return error instanceof PkiError ? invalid(field, error.message) : error;
}
