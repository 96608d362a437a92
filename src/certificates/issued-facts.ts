import { createHash } from 'node:crypto';
import { type ParsedCertificate, parseCertificate } from '../pki/certificate.js';
import { slug } from '../pki/certificate-name.js';
import type { IssuedCertificate } from '../plugin-api/issuer.js';
import { certifiedTerms } from './certified-terms.js';
import { nameColumns, type StoredTerms } from './terms.js';

/** The parsed fields of an issued certificate. They are stored with it, so that lists never parse X.509. */
export interface IssuedFacts {
  bodyPem: string;
  chainPem: string;
  issuer: string;
  /** A hash of the issuer's name and key. A serial number is unique among the certificates of one issuer. */
  issuerSha256: string;
  serialHex: string;
  sha256: string;
  signingAlgorithm: string;
  notBefore: Date;
  notAfter: Date;
  distinguishedName: string;
  externalId: string | null;
}

/** Everything in the row of a request that changes when its certificate is issued. */
export interface AnswerFacts extends IssuedFacts {
  commonName: string;
  sanCount: number;
  terms: StoredTerms;
}

/**
 * Parses the answer of an issuer to a request for these terms. The facts are those of the certificate, not of the
 * request. Throws PkiError `malformed-certificate`.
 */
export function answerFacts(approved: StoredTerms, { chainPem, externalId }: IssuedCertificate): AnswerFacts {
  const leaf = parseCertificate(chainPem[0] ?? '');
  const terms = certifiedTerms(approved, leaf);
  return { terms, ...nameColumns(terms), ...factsOf(leaf, chainPem, { externalId }) };
}

/**
 * `chainPem` is leaf first. `issuerPem` is the certificate of the issuer when the chain lacks it. Throws PkiError
 * `malformed-certificate`.
 */
export function issuedFacts(chainPem: readonly string[], externalId?: string, issuerPem?: string): IssuedFacts {
  return factsOf(parseCertificate(chainPem[0] ?? ''), chainPem, { externalId, issuerPem });
}

function factsOf(
  leaf: ParsedCertificate,
  chainPem: readonly string[],
  { externalId, issuerPem }: { externalId?: string | undefined; issuerPem?: string | undefined },
): IssuedFacts {
  return {
    bodyPem: chainPem[0] ?? '',
    chainPem: chainPem.slice(1).join(''),
    issuer: issuerText(leaf),
    issuerSha256: issuerHash(leaf, chainPem[1] ?? issuerPem),
    serialHex: leaf.serialHex,
    sha256: leaf.fingerprintSha256,
    signingAlgorithm: leaf.signatureAlgorithm,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    distinguishedName: leaf.subject,
    externalId: externalId ?? null,
  };
}

/**
 * The name alone identifies no issuer, because anyone can create a CA with the same name. When the certificate of the
 * issuer is not known, the hash is of the certificate itself, so that it equals no other.
 */
function issuerHash(leaf: ParsedCertificate, issuerPem: string | undefined): string {
  const key = issuerPem === undefined ? leaf.der : keyOfIssuer(issuerPem);
  return createHash('sha256').update(leaf.issuerDer).update(key).digest('hex');
}

const mostIssuers = 256;
const issuerKeys = new Map<string, Buffer>();

/** Cached, since few issuers sign most certificates. */
function keyOfIssuer(pem: string): Buffer {
  const known = issuerKeys.get(pem);
  if (known) return known;
  const { spkiDer } = parseCertificate(pem);
  if (issuerKeys.size >= mostIssuers) issuerKeys.clear();
  issuerKeys.set(pem, spkiDer);
  return spkiDer;
}

/** The maximum length of `issuerText`, in characters. RFC 5280 allows 64 in a common name or organization. */
const mostText = 256;

/**
 * The issuer in lists and in names of certificates: its common name, otherwise its organization, without separators.
 */
export function issuerText({ issuerFields }: Pick<ParsedCertificate, 'issuerFields'>): string {
  const text = issuerFields.commonName ?? issuerFields.organization;
  return text ? slug(text, '').slice(0, mostText) : '<unknown>';
}
