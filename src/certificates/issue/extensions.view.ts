import { issuedHere } from '../certified-terms.js';
import type { StoredTerms } from '../terms.js';
import { extendedKeyUsages, keyUsages, sanTypes } from './extensions.schema.js';

const lemurTypes = new Map(
  Object.entries(sanTypes)
    .reverse()
    .map(([lemur, type]) => [type as string, lemur]),
).set('ipNetwork', 'IPNetwork');
const usageNames = Object.entries(keyUsages);
const purposeNames = Object.entries(extendedKeyUsages);

/**
 * The `extensions` of a certificate in a response, in the form that Lemur's clients read. Unknown usages are left out.
 * A client may send them back in a request, which then asks for the same extensions.
 */
export function extensionsAsLemur(terms: StoredTerms): Record<string, unknown> {
  const facts = terms.found ?? issuedHere;
  const usages: readonly string[] = [...terms.keyUsage, ...facts.caUsage];
  return {
    subAltNames: {
      names: [...terms.subjectAltNames, ...(terms.otherAltNames ?? [])].map(({ type, value }) => ({
        nameType: lemurTypes.get(type) ?? type,
        value,
      })),
    },
    basicConstraints: { ca: facts.isCa, pathLength: facts.pathLength },
    keyUsage: Object.fromEntries(usageNames.map(([name, usage]) => [name, usages.includes(usage)])),
    extendedKeyUsage: Object.fromEntries(
      purposeNames.filter(([, oid]) => terms.extendedKeyUsage.includes(oid)).map(([name]) => [name, true]),
    ),
    ...(facts.subjectKeyIdentifier && { subjectKeyIdentifier: { includeSKI: true } }),
    ...(facts.authorityKeyIdentifier && {
      authorityKeyIdentifier: { useKeyIdentifier: true, useAuthorityCert: false },
    }),
    ...(terms.leaveOut?.includes('authorityInfoAccess') && { certificateInfoAccess: { includeAIA: false } }),
    ...(terms.leaveOut?.includes('crlDistributionPoints') && { crlDistributionPoints: { includeCrlDp: false } }),
    custom: terms.extensions.map(({ oid, critical, value }) => ({
      oid,
      encoding: 'b64asn1',
      value,
      isCritical: critical,
    })),
  };
}
