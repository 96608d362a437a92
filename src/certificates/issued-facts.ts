import { createHash } from 'node:crypto';
import { type ParsedCertificate, parseCertificate } from '../pki/certificate.js';
import { slug } from '../pki/certificate-name.js';
import type { IssuedCertificate } from '../plugin-api/issuer.js';
import { certifiedTerms } from './certified-terms.js';
import { nameColumns, type StoredTerms } from './terms.js';

/** What is read off an issued certificate once, when it is stored, so that no list ever parses X.509. */
export interface IssuedFacts {
  bodyPem: string;
  chainPem: string;
  issuer: string;
  /** Hash of the issuer's name and key; serial numbers are unique among those of one issuer. */
  issuerSha256: string;
  serialHex: string;
  sha256: string;
  signingAlgorithm: string;
  notBefore: Date;
  notAfter: Date;
  distinguishedName: string;
  externalId: string | null;
}

/** Everything on the row of a request that changes when its certificate is issued. */
export interface AnswerFacts extends IssuedFacts {
  commonName: string;
  sanCount: number;
  terms: StoredTerms;
}

/**
 * Reads the answer of an issuer to a request for these terms: the row says what the certificate holds, not what was
 * asked for. Throws PkiError `malformed-certificate`.
 */
export function answerFacts(approved: StoredTerms, { chainPem, externalId }: IssuedCertificate): AnswerFacts {
  const leaf = parseCertificate(chainPem[0] ?? '');
  const terms = certifiedTerms(approved, leaf);
  return { ...factsOf(leaf, chainPem, { externalId }), ...nameColumns(terms), terms };
}

/**
 * `chainPem` is leaf first; `issuerPem` is the issuer's certificate where the chain does not hold it. Throws PkiError
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
 * Anyone can make a CA of the same name, so the name alone identifies no issuer. Where its certificate is not known,
 * the certificate stands for itself: then only the very same one counts as known.
 */
function issuerHash(leaf: ParsedCertificate, issuerPem: string | undefined): string {
  const key = issuerPem === undefined ? leaf.der : keyOfIssuer(issuerPem);
  return createHash('sha256').update(leaf.issuerDer).update(key).digest('hex');
}

const mostIssuers = 256;
const issuerKeys = new Map<string, Buffer>();

/** Few issuers sign most certificates: what their certificates say is remembered. */
function keyOfIssuer(pem: string): Buffer {
  const known = issuerKeys.get(pem);
  if (known) return known;
  const { spkiDer } = parseCertificate(pem);
  if (issuerKeys.size >= mostIssuers) issuerKeys.clear();
  issuerKeys.set(pem, spkiDer);
  return spkiDer;
}

/** No bound of RFC 5280 allows a common name or organization of more characters. */
const mostText = 256;

/** The issuer as lists show it and names contain it: its CN, else its O, without any separator. */
export function issuerText({ issuerFields }: Pick<ParsedCertificate, 'issuerFields'>): string {
  const text = issuerFields.commonName ?? issuerFields.organization;
  return text ? slug(text, '').slice(0, mostText) : '<unknown>';
}
