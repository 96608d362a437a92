import { isDeepStrictEqual } from 'node:util';
import type { ParsedCertificate } from '../pki/certificate.js';
import { keptSubject } from '../pki/names.js';
import { isReservedExtension } from './issue/extensions.schema.js';
import { caUsages, type FoundFacts, type StoredTerms, storeTerms, type TermsWithoutDates } from './terms.js';

// Reads the terms from a certificate, to store them and to compare them with the approved ones.

/** The facts that are the same for every certificate that is issued here. */
export const issuedHere: FoundFacts = {
  isCa: false,
  pathLength: null,
  caUsage: [],
  subjectKeyIdentifier: true,
  authorityKeyIdentifier: true,
};

/** The terms of a parsed certificate. Leaves out extensions that issuers add without a request. */
export function termsOf(leaf: ParsedCertificate): TermsWithoutDates {
  const subjectDer = keptSubject(leaf.subjectDer);
  const oids = leaf.extensions.map(({ oid }) => oid);
  return {
    subject: leaf.subjectFields,
    ...(subjectDer && { subjectDer }),
    ...(leaf.otherAltNames.length > 0 && { otherAltNames: leaf.otherAltNames }),
    subjectAltNames: leaf.subjectAltNames,
    keyUsage: leaf.keyUsage.filter((usage) => !caUsages.includes(usage)),
    extendedKeyUsage: leaf.extendedKeyUsage,
    // The first of two equal extensions counts: no issuer would accept both in a request.
    extensions: leaf.extensions.filter(
      ({ oid, critical }, at) => !critical && !isReservedExtension(oid) && oids.indexOf(oid) === at,
    ),
    found: {
      isCa: leaf.isCa,
      pathLength: leaf.pathLength ?? null,
      caUsage: leaf.keyUsage.filter((usage) => caUsages.includes(usage)),
      subjectKeyIdentifier: leaf.subjectKeyIdentifier !== undefined,
      authorityKeyIdentifier: leaf.authorityKeyIdentifier !== undefined,
    },
  };
}

/**
 * The terms to store when a certificate is issued for approved terms. When the CA has changed names, usages or
 * extensions, these are the terms in the certificate, with the approved ones as `approved`.
 */
export function certifiedTerms(approved: StoredTerms, leaf: ParsedCertificate): StoredTerms {
  const certified = storeTerms(termsOf(leaf));
  if (isDeepStrictEqual(shown(certified), shown(approved))) return approved;
  return { ...certified, ...(approved.leaveOut && { leaveOut: approved.leaveOut }), approved };
}

/** The terms that users see, in an order that can be compared. */
function shown({ subject, found = issuedHere, ...terms }: StoredTerms): unknown {
  return {
    subject: Object.entries(subject)
      .filter(([, value]) => value !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    names: [...terms.subjectAltNames, ...(terms.otherAltNames ?? [])]
      .map(({ type, value }) => `${type}:${value}`)
      .sort(),
    keyUsage: [...terms.keyUsage, ...found.caUsage].sort(),
    extendedKeyUsage: [...terms.extendedKeyUsage].sort(),
    extensions: terms.extensions.map(({ oid, value }) => `${oid}:${value}`).sort(),
    found: { ...found, caUsage: [] },
  };
}
