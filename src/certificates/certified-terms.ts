import { isDeepStrictEqual } from 'node:util';
import type { ParsedCertificate } from '../pki/certificate.js';
import { keptSubject } from '../pki/names.js';
import { isReservedExtension } from './issue/extensions.schema.js';
import { caUsages, type FoundFacts, type StoredTerms, storeTerms, type TermsWithoutDates } from './terms.js';

/** What every certificate has that is issued here. */
export const issuedHere: FoundFacts = {
  isCa: false,
  pathLength: null,
  caUsage: [],
  subjectKeyIdentifier: true,
  authorityKeyIdentifier: true,
};

/** The terms read from a certificate. Extensions that issuers add without being asked are left out. */
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
    // Of an extension that stands twice the first counts: no issuer would take both.
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
 * The terms of a certificate that was issued for approved ones. A CA may add and leave out names, usages and
 * extensions: then these are the terms in the certificate, with the approved ones beside them.
 */
export function certifiedTerms(approved: StoredTerms, leaf: ParsedCertificate): StoredTerms {
  const certified = storeTerms(termsOf(leaf));
  if (isDeepStrictEqual(shown(certified), shown(approved))) return approved;
  return { ...certified, ...(approved.leaveOut && { leaveOut: approved.leaveOut }), approved };
}

/** Everything that is shown of the terms, whatever its order. */
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
