import type {
  CertificateTerms,
  IssuerExtension,
  KeyUsage,
  SubjectAltName,
  SubjectFields,
} from '../plugin-api/terms.js';
import type { OtherAltName } from '../pki/subject-alt-name.js';

/**
 * The terms of a certificate as kept on its row (jsonb): what is in the certificate, and until it is issued what was
 * approved to be in it. Binary members are base64. Dates are columns of their own.
 */
export interface StoredTerms {
  subject: SubjectFields;
  subjectDer?: string;
  subjectAltNames: readonly SubjectAltName[];
  keyUsage: readonly KeyUsage[];
  extendedKeyUsage: readonly string[];
  extensions: readonly { oid: string; critical: boolean; value: string }[];
  otherAltNames?: readonly OtherAltName[];
  leaveOut?: readonly IssuerExtension[];
  beyondPolicy?: true;
  found?: FoundFacts;
  /** What was approved, where the certificate differs from that. */
  approved?: StoredTerms;
}

/** The key usages that only a CA may have. */
export const caUsages: readonly KeyUsage[] = ['keyCertSign', 'cRLSign'];

/** What was read off a certificate that was made elsewhere and is no part of what a renewal asks for. */
export interface FoundFacts {
  isCa: boolean;
  pathLength: number | null;
  /** Of the key usages those that only CAs have. */
  caUsage: readonly KeyUsage[];
  subjectKeyIdentifier: boolean;
  authorityKeyIdentifier: boolean;
}

/** What a certificate says, whenever it is valid. */
export interface TermsWithoutDates extends Omit<CertificateTerms, 'notBefore' | 'notAfter'> {
  /** Names of an imported certificate that are not issued here: shown, and left out of its renewals. */
  otherAltNames?: readonly OtherAltName[];
  /**
   * Someone who may go beyond the domain policy had these names certified although the policy forbids them to others:
   * renewals keep them.
   */
  beyondPolicy?: true;
  found?: FoundFacts;
}

export function storeTerms(terms: TermsWithoutDates): StoredTerms {
  return {
    subject: terms.subject,
    ...(terms.subjectDer && { subjectDer: terms.subjectDer.toString('base64') }),
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
    ...(terms.found && { found: terms.found }),
  };
}

/** What was approved: an issuer is asked for it, now and in a renewal. */
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

/** The columns that repeat the names in the terms. */
export function nameColumns({ subject, subjectAltNames }: Pick<StoredTerms, 'subject' | 'subjectAltNames'>): {
  commonName: string;
  sanCount: number;
} {
  return { commonName: subject.commonName ?? subjectAltNames[0]?.value ?? '', sanCount: subjectAltNames.length };
}
