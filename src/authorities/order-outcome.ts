import { splitCertificates } from '../pki/pem.js';
import { PkiError } from '../pki/pki-error.js';
import { PluginError } from '../plugin-api/errors.js';
import type { Outcome } from '../plugin-api/issuer.js';

/** The answer of an issuer. A refusal is data, not an exception. `isFinal`: the CA does not issue it, now or later. */
export type OrderOutcome =
  Exclude<Outcome, { status: 'rejected' }> | { status: 'failed'; error: PluginError; isFinal: boolean };

/**
 * Drops the text that issuers outside the process may write around certificates. Throws PluginError `unavailable` when
 * there is none: an error page in place of a certificate passes, and the order stays.
 */
export function certificatesAlone(outcome: Outcome): Outcome {
  if (outcome.status !== 'issued') return outcome;
  try {
    return { ...outcome, chainPem: outcome.chainPem.flatMap(splitCertificates) };
  } catch (error) {
    if (error instanceof PkiError)
      throw new PluginError('unavailable', `The issuer returned what is no certificate: ${error.message}`);
    throw error;
  }
}

/** A PluginError is an outcome, too. `refusalIsFinal`: the request fails when the issuer refuses. */
export async function outcomeOf(asked: Promise<Outcome>, refusalIsFinal = false): Promise<OrderOutcome> {
  try {
    const outcome = await asked;
    if (outcome.status !== 'rejected') return outcome;
    return { status: 'failed', error: new PluginError('refused', outcome.reason), isFinal: true };
  } catch (error) {
    return failed(error, refusalIsFinal);
  }
}

/** Throws what is no PluginError. */
export function failed(error: unknown, refusalIsFinal = false): OrderOutcome {
  if (!(error instanceof PluginError)) throw error;
  return { status: 'failed', error, isFinal: refusalIsFinal && error.fault === 'refused' };
}
