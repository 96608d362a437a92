import type {
  CertificateTerms,
  IssuerExtension,
  KeyUsage,
  SubjectAltName,
  SubjectFields,
} from '../plugin-api/terms.js';
import { encodesAs } from '../pki/names.js';
import type { OtherAltName } from '../pki/subject-alt-name.js';

/**
 * The terms of a certificate as its row stores them (jsonb): those in the certificate or, until it is issued, the
 * approved ones. Binary members are base64. Dates have their own columns.
 */
export interface StoredTerms {
  subject: SubjectFields;
  /** The DN, unless `encodeSubject` yields the same from `subject`. */
  subjectDer?: string;
  subjectAltNames: readonly SubjectAltName[];
  keyUsage: readonly KeyUsage[];
  extendedKeyUsage: readonly string[];
  extensions: readonly { oid: string; critical: boolean; value: string }[];
  otherAltNames?: readonly OtherAltName[];
  leaveOut?: readonly IssuerExtension[];
  beyondPolicy?: true;
  /** ISO 8601. */
  askedNotAfter?: string;
  found?: FoundFacts;
  /** The approved terms, when the certificate differs from them. */
  approved?: StoredTerms;
}

/** The key usages that only a CA may have. */
export const caUsages: readonly KeyUsage[] = ['keyCertSign', 'cRLSign'];

/** Facts of a certificate that are no part of a request for its renewal. */
export interface FoundFacts {
  isCa: boolean;
  pathLength: number | null;
  /** Its key usages that only a CA may have. */
  caUsage: readonly KeyUsage[];
  subjectKeyIdentifier: boolean;
  authorityKeyIdentifier: boolean;
}

/** The content of a certificate without its dates. */
export interface TermsWithoutDates extends Omit<CertificateTerms, 'notBefore' | 'notAfter'> {
  /** Names of an imported certificate that cannot be issued here. They are shown, and left out of its renewals. */
  otherAltNames?: readonly OtherAltName[];
  /** A user with the right to go beyond the domain policy had these names certified: renewals keep them. */
  beyondPolicy?: true;
  /** Until when it was to be valid, before that was cut to the end of its authority. */
  askedNotAfter?: Date;
  found?: FoundFacts;
}

/** The terms in the form in which the row stores them. */
export function storeTerms(terms: TermsWithoutDates): StoredTerms {
  return {
    subject: terms.subject,
    ...(terms.subjectDer &&
      !encodesAs(terms.subject, terms.subjectDer) && { subjectDer: terms.subjectDer.toString('base64') }),
    subjectAltNames: terms.subjectAltNames,
    keyUsage: terms.keyUsage,
    extendedKeyUsage: terms.extendedKeyUsage,
    extensions: terms.extensions.map((e) => ({
      oid: e.oid,
      critical: e.critical,
      value: e.valueDer.toString('base64'),
    })),
    ...(terms.otherAltNames && { otherAltNames: terms.otherAltNames }),
    ...(terms.leaveOut && { leaveOut: terms.leaveOut }),
    ...(terms.beyondPolicy && { beyondPolicy: true }),
    ...(terms.askedNotAfter && { askedNotAfter: terms.askedNotAfter.toISOString() }),
    ...(terms.found && { found: terms.found }),
  };
}

/** Until when the certificate was to be valid, before that was cut to the end of its authority; null if it was not. */
export function askedNotAfter({ approved, ...certified }: StoredTerms): Date | null {
  const { askedNotAfter: asked } = approved ?? certified;
  return asked === undefined ? null : new Date(asked);
}

/** The approved terms: what an issuer is asked for, now and in a renewal. */
export function loadTerms(certified: StoredTerms): TermsWithoutDates {
  const stored = certified.approved ?? certified;
  return {
    subject: stored.subject,
    ...(stored.subjectDer && { subjectDer: Buffer.from(stored.subjectDer, 'base64') }),
    subjectAltNames: stored.subjectAltNames,
    keyUsage: stored.keyUsage,
    extendedKeyUsage: stored.extendedKeyUsage,
    extensions: stored.extensions.map((e) => ({
      oid: e.oid,
      critical: e.critical,
      valueDer: Buffer.from(e.value, 'base64'),
    })),
    ...(stored.otherAltNames && { otherAltNames: stored.otherAltNames }),
    ...(stored.leaveOut && { leaveOut: stored.leaveOut }),
    ...(stored.beyondPolicy && { beyondPolicy: true }),
  };
}

const subjectMembers = [
  'commonName',
  'country',
  'state',
  'location',
  'organization',
  'organizationalUnit',
] as const satisfies readonly (keyof SubjectFields)[];

/** Whether the six members of two subjects have the same text. */
export function sameFields(one: SubjectFields, other: SubjectFields): boolean {
  return subjectMembers.every((member) => one[member] === other[member]);
}

/** The columns that repeat the names of the terms. */
export function nameColumns({ subject, subjectAltNames }: Pick<StoredTerms, 'subject' | 'subjectAltNames'>): {
  commonName: string;
  sanCount: number;
} {
  return { commonName: subject.commonName ?? subjectAltNames[0]?.value ?? '', sanCount: subjectAltNames.length };
}
