import type { KeyUsage, RawExtension, SubjectAltName, SubjectFields } from '../plugin-api/terms.js';

/** What a request asks to be in a certificate: the part that a profile judges and completes. */
export interface AskedTerms {
  subject: SubjectFields;
  /** DER of the subject when it is kept as it is in a CSR or in a certificate that is renewed. */
  subjectDer?: Buffer;
  subjectAltNames: readonly SubjectAltName[];
  keyUsage: readonly KeyUsage[];
  /** OIDs in dotted form. */
  extendedKeyUsage: readonly string[];
  extensions: readonly RawExtension[];
}

/** The parts of the asked terms that no one asked for: they are what applies without a profile. */
export interface Implied {
  /** Members that the settings filled in. */
  subject: readonly (keyof SubjectFields)[];
  /** Names that were added because the common name reads as one. */
  subjectAltNames: readonly SubjectAltName[];
  keyUsage: boolean;
  extendedKeyUsage: boolean;
}

/** For terms of which every part was asked for. */
export const nothingImplied: Implied = {
  subject: [],
  subjectAltNames: [],
  keyUsage: false,
  extendedKeyUsage: false,
};

/** What a profile judges. `fromCsr`: names and usages are those of a CSR, so that faults blame `csr`. */
export interface Asked {
  terms: AskedTerms;
  implied: Implied;
  keyType: string;
  fromCsr: boolean;
  /** False for a certificate that is signed and not kept. */
  isStored: boolean;
  /** True when the issuer reads the subject in the CSR itself, so that nothing can be added to it. */
  subjectIsFinal: boolean;
}

/** One rule that a request breaks. `field`: a dotted path in the request's own names. */
export interface Violation {
  field: string;
  text: string;
}

/** The terms as the profile completes them, and everything that it refuses. */
export interface Judged<T> {
  value: T;
  violations: readonly Violation[];
}
