import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { Problem } from '../../platform/http/problem.js';
import type { CaView } from './ca.view.js';
import { snakeCase } from './names.js';

const value = z.unknown().optional();

/** PUT ca/{serial}/: what django-ca lets a client change. */
export const CaUpdate = z.strictObject({
  name: value,
  caaIdentity: value,
  website: value,
  termsOfService: value,
  signAuthorityInformationAccess: value,
  signCertificatePolicies: value,
  signCrlDistributionPoints: value,
  signIssuerAlternativeName: value,
  ocspResponderKeyValidity: value,
  ocspResponseValidity: value,
  acmeEnabled: value,
  acmeRegistration: value,
  acmeProfile: value,
  acmeRequiresContact: value,
});
export type CaUpdate = z.output<typeof CaUpdate>;

const elsewhere: Readonly<Record<string, string>> = {
  name: 'An authority keeps its name.',
  signAuthorityInformationAccess: 'The options of the authority, and PKI_URL, decide about these addresses.',
  signCrlDistributionPoints: 'The options of the authority, and PKI_URL, decide about these addresses.',
  signCertificatePolicies: 'The profile decides about policies.',
  ocspResponseValidity: 'OCSP_VALIDITY_HOURS decides about it.',
};

/**
 * A client may send back what it has read. Throws Problem `invalid-request` that names each member whose value differs:
 * none of them is changed here, and none is ignored.
 */
export function demandUnchanged(update: CaUpdate, view: CaView): void {
  const changed = Object.entries(update).filter(
    ([member, wanted]) => wanted !== undefined && !isDeepStrictEqual(wanted, view[snakeCase(member)]),
  );
  if (changed.length === 0) return;
  const reasons = Object.fromEntries(
    changed.map(([member]) => [member, [elsewhere[member] ?? 'This program has no such setting.']]),
  );
  throw new Problem('invalid-request', 'These members cannot be changed here.', { reasons });
}
