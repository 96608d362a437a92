import { certificateName, slug, withSerial } from '../../pki/certificate-name.js';
import { encodeSubject, formatDn } from '../../pki/names.js';
import { spkiHash } from '../../pki/key.js';
import { indexable } from '../../platform/text.js';
import type { Sealed } from '../../platform/secrets/sealed.js';
import type { Care, NewRow } from '../certificate.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { nameColumns, type StoredTerms, storeTerms, type TermsWithoutDates } from '../terms.js';

// Pure functions for rows of new certificates: their columns before they are issued, and their names.

/** The associated data of a certificate's sealed key, which binds it to its row. */
export function keyPlace(secretId: string): string {
  return `certificate.sealed_key.${secretId}`;
}

/** The owner and settings of a new row, with its authority and rotation policy. */
export type CareOfRow = Care & Pick<NewRow, 'authorityId' | 'rotationPolicyId'>;

/** The key of a certificate: the public key, and the sealed private key when it is stored here. */
export interface CertificateKey {
  spkiDer: Buffer;
  keyType: string;
  bits: number;
  csrPem: string | null;
  secretId: string;
  sealedKey: Sealed | null;
}

/** The columns of a new row that follow from its settings, key and terms, before a certificate is issued or parsed. */
export function rowBeforeIssue(
  care: CareOfRow,
  key: CertificateKey,
  terms: TermsWithoutDates,
): Omit<NewRow, 'state' | 'name' | 'issuer' | 'notBefore' | 'notAfter' | 'hearsDefaults' | 'createdAt'> {
  const { spkiDer, ...keyColumns } = key;
  return {
    spkiSha256: spkiHash(spkiDer),
    ...askedColumns(terms),
    ...care,
    ...keyColumns,
  };
}

/** The columns of a row that hold what was asked, until the certificate is known. */
export type AskedColumns = Pick<NewRow, 'terms' | 'distinguishedName' | 'commonName' | 'sanCount'>;

export function askedColumns(terms: TermsWithoutDates): AskedColumns {
  return {
    distinguishedName: formatDn(terms.subjectDer ?? encodeSubject(terms.subject)),
    terms: storeTerms(terms),
    ...nameColumns(terms),
  };
}

/** The names that searches find a certificate by: common name and SANs, in lower case, cut to what an index takes. */
export function searchNames(commonName: string, terms: Pick<StoredTerms, 'subjectAltNames'>): string[] {
  const names = [commonName, ...terms.subjectAltNames.map((san) => san.value)];
  return [...new Set(names.filter((name) => name !== '').map((name) => indexable(name.toLowerCase())))];
}

/** The name of a certificate: `custom` as a slug, or a name by Lemur's pattern. Not yet made unique. */
export function baseName(
  custom: string | undefined,
  facts: {
    terms: Pick<StoredTerms, 'subject' | 'subjectAltNames'>;
    issuer: Parameters<typeof certificateName>[0]['issuer'];
    notBefore: Date;
    notAfter: Date;
  },
): string {
  if (custom && slug(custom) !== '') return slug(custom);
  return certificateName({
    commonName: facts.terms.subject.commonName,
    sans: facts.terms.subjectAltNames.map((san) => san.value),
    issuer: facts.issuer,
    notBefore: facts.notBefore,
    notAfter: facts.notAfter,
  });
}

/** The name until the certificate is issued. `taken`: the request chose `name`, which was not free. */
export function provisionalName(name: string, secretId: string, why: 'pending' | 'taken' = 'pending'): string {
  return withSerial(name, `${why}-${secretId}`);
}

const provisional = /^(.*)-(PENDING|TAKEN)-[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/s;

/**
 * The name that replaces a provisional one once issuer and dates are known: the chosen name, or one by Lemur's pattern.
 * Null when the name is not provisional. Not yet made unique.
 */
export function nameWhenIssued({ name, terms, issuer, notBefore, notAfter }: Certificate): string | null {
  const [, chosen, why] = provisional.exec(name) ?? [];
  if (why === undefined) return null;
  return baseName(why === 'TAKEN' ? chosen : undefined, {
    terms,
    issuer: { commonName: issuer, selfSigned: false },
    notBefore,
    notAfter,
  });
}
