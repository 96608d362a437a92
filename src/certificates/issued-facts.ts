import { createHash, hash } from 'node:crypto';
import { type CertificateParts, type ParsedCertificate, parseCertificate } from '../pki/certificate.js';
import { slug } from '../pki/certificate-name.js';
import { subjectFieldsOf } from '../pki/names.js';
import { signatureAlgorithmName } from '../pki/sign.js';
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

/**
 * As `answerFacts`, for a certificate in which everything is as `asked`: only what the issuer has chosen is read from
 * it. `serial` in `parts` is positive.
 */
export function factsAsAsked(
  asked: Pick<AnswerFacts, 'terms' | 'distinguishedName' | 'commonName' | 'sanCount'>,
  { notBefore, notAfter }: { notBefore: Date; notAfter: Date },
  parts: CertificateParts,
  { chainPem, externalId }: IssuedCertificate,
): AnswerFacts {
  const { terms, distinguishedName, commonName, sanCount } = asked;
  const leaf = {
    der: parts.der,
    issuerDer: parts.issuerDer,
    subject: distinguishedName,
    serialHex: parts.serial
      .toString('hex')
      .toUpperCase()
      .replace(/^0+(?=.)/, ''),
    fingerprintSha256: hash('sha256', parts.der, 'hex'),
    signatureAlgorithm: signatureAlgorithmName(parts.algorithmDer),
    notBefore: wholeSeconds(notBefore),
    notAfter: wholeSeconds(notAfter),
  };
  return { terms, commonName, sanCount, ...factsOf(leaf, chainPem, { externalId }) };
}

function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}

type Leaf = Pick<
  ParsedCertificate,
  'der' | 'issuerDer' | 'subject' | 'serialHex' | 'fingerprintSha256' | 'signatureAlgorithm' | 'notBefore' | 'notAfter'
>;

function factsOf(
  leaf: Leaf,
  chainPem: readonly string[],
  { externalId, issuerPem }: { externalId?: string | undefined; issuerPem?: string | undefined },
): IssuedFacts {
  const { issuer, issuerSha256 } = issuerFacts(leaf, chainPem[1] ?? issuerPem);
  return {
    bodyPem: chainPem[0] ?? '',
    chainPem: chainPem.slice(1).join(''),
    issuer,
    issuerSha256,
    serialHex: leaf.serialHex,
    sha256: leaf.fingerprintSha256,
    signingAlgorithm: leaf.signatureAlgorithm,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    distinguishedName: leaf.subject,
    externalId: externalId ?? null,
  };
}

type IssuerFacts = Pick<IssuedFacts, 'issuer' | 'issuerSha256'>;

const mostIssuers = 256;
const issuers = new Map<string, IssuerFacts & { issuerDer: Buffer }>();

/**
 * Cached, since few issuers sign most certificates. The name alone identifies no issuer, because anyone can create a CA
 * with the same name. When the certificate of the issuer is not known, the hash is of the certificate itself, so that
 * it equals no other.
 */
function issuerFacts({ der, issuerDer }: Leaf, issuerPem: string | undefined): IssuerFacts {
  if (issuerPem === undefined) return { issuer: issuerText(issuerDer), issuerSha256: hashOf(issuerDer, der) };
  const known = issuers.get(issuerPem);
  if (known?.issuerDer.equals(issuerDer)) return known;
  const facts = { issuer: issuerText(issuerDer), issuerSha256: hashOf(issuerDer, parseCertificate(issuerPem).spkiDer) };
  if (issuers.size >= mostIssuers) issuers.clear();
  issuers.set(issuerPem, { issuerDer: Buffer.from(issuerDer), ...facts });
  return facts;
}

function hashOf(issuerDer: Buffer, identity: Buffer): string {
  return createHash('sha256').update(issuerDer).update(identity).digest('hex');
}

/** The maximum length of `issuerText`, in characters. RFC 5280 allows 64 in a common name or organization. */
const mostText = 256;

/**
 * The issuer in lists and in names of certificates: its common name, otherwise its organization, without separators.
 */
function issuerText(issuerDer: Buffer): string {
  const { commonName, organization } = subjectFieldsOf(issuerDer);
  const text = commonName ?? organization;
  return text ? slug(text, '').slice(0, mostText) : '<unknown>';
}
