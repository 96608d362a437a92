import { certificateName, slug, withSerial } from '../../pki/certificate-name.js';
import { encodeSubject, formatDn } from '../../pki/names.js';
import { spkiHash } from '../../pki/key.js';
import { indexable } from '../../platform/text.js';
import type { Sealed } from '../../platform/secrets/sealed.js';
import type { Care, NewRow } from '../certificate.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { nameColumns, type StoredTerms, storeTerms, type TermsWithoutDates } from '../terms.js';

/** The place that a certificate's sealed key is bound to. */
export function keyPlace(secretId: string): string {
  return `certificate.sealed_key.${secretId}`;
}

/** Who looks after a certificate, and by which authority and rotation policy it renews. */
export type CareOfRow = Care & Pick<NewRow, 'authorityId' | 'rotationPolicyId'>;

/** The key of a certificate: its public half, and the private half where it is kept here. */
export interface CertificateKey {
  spkiDer: Buffer;
  keyType: string;
  bits: number;
  csrPem: string | null;
  secretId: string;
  sealedKey: Sealed | null;
}

/** The columns that certificates have before their issuer has answered, and what was imported has too. */
export function rowBeforeIssue(
  care: CareOfRow,
  key: CertificateKey,
  terms: TermsWithoutDates,
): Omit<NewRow, 'state' | 'name' | 'issuer' | 'notBefore' | 'notAfter' | 'hearsDefaults' | 'createdAt'> {
  const { spkiDer, ...keyColumns } = key;
  return {
    ...care,
    ...keyColumns,
    spkiSha256: spkiHash(spkiDer),
    ...nameColumns(terms),
    distinguishedName: formatDn(terms.subjectDer ?? encodeSubject(terms.subject)),
    terms: storeTerms(terms),
  };
}

/** The names that searches find a certificate by: its common name and SANs, lower case, as long as an index takes. */
export function searchNames(commonName: string, terms: Pick<StoredTerms, 'subjectAltNames'>): string[] {
  const names = [commonName, ...terms.subjectAltNames.map((san) => san.value)];
  return [...new Set(names.filter((name) => name !== '').map((name) => indexable(name.toLowerCase())))];
}

/** What a certificate is called: its own choice made safe, or Lemur's pattern. Not unique yet. */
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

/** What a certificate is called until its issuer has answered. `taken`: `name` was chosen for it, but was not free. */
export function provisionalName(name: string, secretId: string, why: 'pending' | 'taken' = 'pending'): string {
  return withSerial(name, `${why}-${secretId}`);
}

const provisional = /^(.*)-(PENDING|TAKEN)-[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/s;

/**
 * The name for a certificate once issuer and dates are known: its own choice, or by the pattern; null when it keeps
 * what it has. Not unique yet.
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
