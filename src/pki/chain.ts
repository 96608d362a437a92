import { isIP } from 'node:net';
import type { AllowedDifferences } from '../plugin-api/issuer.js';
import type { CertificateTerms, SubjectAltName } from '../plugin-api/terms.js';
import { isSelfIssued, isSignedBy, parseCertificate, type ParsedCertificate, titleOf } from './certificate.js';
import { isSameKey } from './key.js';
import { splitCertificates, toPem } from './pem.js';
import { PkiError } from './pki-error.js';
import { normaliseSan } from './subject-alt-name.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Real chains are shorter, and each signature costs time. */
const longestChain = 10;

/**
 * The distinct certificates in PEM text, in order of first appearance, without `leafDer`. Throws PkiError
 * `malformed-pem`, `malformed-certificate`, or `chain-too-long` for more than ten.
 */
export function readChain(text: string, leafDer: Buffer): ParsedCertificate[] {
  const leafPem = toPem('CERTIFICATE', leafDer);
  const different = [...new Set(splitCertificates(text))].filter((pem) => pem !== leafPem);
  demandShortChain(different);
  return different.map((pem) => parseCertificate(pem));
}

/**
 * Splits PEM text, leaf first (`fullchain.pem`), into the leaf and the remaining PEM. `restPem` is empty when nothing
 * remains. Throws PkiError.
 */
export function readLeafFirst(text: string): { leaf: ParsedCertificate; restPem: string } {
  const [leafPem = '', ...rest] = splitCertificates(text);
  return { leaf: parseCertificate(leafPem), restPem: rest.join('') };
}

/** Throws PkiError `chain-too-long` for more than ten issuers. */
export function demandShortChain({ length }: readonly unknown[]): void {
  if (length > longestChain)
    throw new PkiError('chain-too-long', `A chain holds at most ${longestChain} certificates, not ${length}`);
}

/**
 * Demands that each certificate is signed by the next; `chain` holds the issuers in order. Throws PkiError
 * `chain-order`, or `chain-too-long` for more than ten, before it verifies any signature.
 */
export async function checkChain(leaf: ParsedCertificate, chain: readonly ParsedCertificate[]): Promise<void> {
  demandShortChain(chain);
  const links = await Promise.all(
    chain.map(async (issuer, at) => {
      const subject = chain[at - 1] ?? leaf;
      return { subject, issuer, signed: await isSignedBy(subject, issuer) };
    }),
  );
  const broken = links.find(({ signed }) => !signed);
  if (broken) {
    throw new PkiError(
      'chain-order',
      `Incorrect chain certificate(s) provided: '${titleOf(broken.subject)}' is not ` +
        `signed by '${titleOf(broken.issuer)}'`,
    );
  }
}

/** The issuers of `leaf` in `pool`: its issuer first, up to a root or until no issuer is found. */
export async function orderChain(
  leaf: ParsedCertificate,
  pool: readonly ParsedCertificate[],
): Promise<ParsedCertificate[]> {
  const ordered: ParsedCertificate[] = [];
  const left = new Map(pool.filter((one) => !one.der.equals(leaf.der)).map((one) => [one.fingerprintSha256, one]));
  for (let subject: ParsedCertificate | undefined = leaf; subject && !isSelfIssued(subject);) {
    subject = await issuerAmong(subject, [...left.values()]);
    if (!subject) break;
    left.delete(subject.fingerprintSha256);
    ordered.push(subject);
  }
  return ordered;
}

async function issuerAmong(
  subject: ParsedCertificate,
  pool: readonly ParsedCertificate[],
): Promise<ParsedCertificate | undefined> {
  for (const candidate of pool) if (await isKnownIssuer(subject, candidate)) return candidate;
  return undefined;
}

/** A candidate whose signature cannot be checked is not the issuer. */
async function isKnownIssuer(subject: ParsedCertificate, candidate: ParsedCertificate): Promise<boolean> {
  try {
    return await isSignedBy(subject, candidate);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

/** The request that an issuer answered. */
export interface Ask {
  spkiDer: Buffer;
  terms: Pick<CertificateTerms, 'subject' | 'subjectAltNames' | 'keyUsage' | 'notBefore' | 'notAfter'>;
  /** Permitted differences of this issuer's answers; absent: none. */
  allows?: AllowedDifferences;
}

/**
 * Checks the answer of an issuer (leaf first) against the request: key, names, validity (notBefore may be up to a day
 * earlier), no CA certificate unless requested, and every signature in the chain. Throws PkiError `key-mismatch`,
 * `name-mismatch`, `validity-mismatch`, `usage-mismatch` or `chain-order`.
 */
export async function checkIssued(
  chain: readonly ParsedCertificate[],
  { spkiDer, terms, allows = {} }: Ask,
): Promise<void> {
  const [leaf, ...issuers] = chain;
  if (!leaf) throw new PkiError('chain-order', 'The issuer returned no certificate');
  if (!isSameKey(leaf.spkiDer, spkiDer))
    throw new PkiError('key-mismatch', 'The issuer certified a key other than the requested one');
  checkNames(leaf, terms, allows);
  if (leaf.notAfter <= leaf.notBefore) throw new PkiError('validity-mismatch', 'The certificate ends before it begins');
  if (!allows.ownValidity) checkValidity(leaf, terms);
  if (leaf.isCa && !terms.keyUsage.includes('keyCertSign')) {
    throw new PkiError('usage-mismatch', 'The issuer returned a CA certificate, which was not requested');
  }
  await checkChain(leaf, issuers);
}

function checkNames(
  leaf: ParsedCertificate,
  { subject, subjectAltNames }: Ask['terms'],
  { extraNames, fewerNames }: AllowedDifferences,
): void {
  const asked = new Set(subjectAltNames.map(spelling));
  // A CA may copy the common name to the SANs, but may not add a name of its own.
  const allowed = new Set([...asked, ...commonNameAsSan(subject.commonName)]);
  const got = leaf.subjectAltNames.map(spelling);
  const missing = [...asked].filter((name) => !got.includes(name));
  const foreign = got.filter((name) => !allowed.has(name));
  if (missing.length > 0 && !fewerNames)
    throw new PkiError('name-mismatch', `The issuer left out ${missing.slice(0, 5).join(', ')}`);
  if (foreign.length > 0 && !extraNames)
    throw new PkiError('name-mismatch', `The issuer added ${foreign.slice(0, 5).join(', ')}`);
  if (leaf.otherAltNames.length > 0) throw new PkiError('name-mismatch', 'The issuer added names of another type');
  demandOneName(leaf, subject.commonName, asked);
  checkCommonName(leaf, subject.commonName, extraNames ? new Set([...allowed, ...got]) : allowed);
}

/** At least one of the SANs that were asked for; where none was, the common name, there or among the SANs. */
function demandOneName(leaf: ParsedCertificate, commonName: string | undefined, sans: ReadonlySet<string>): void {
  const got = leaf.subjectAltNames.map(spelling);
  const isNamed =
    sans.size > 0
      ? got.some((name) => sans.has(name))
      : !commonName ||
        leaf.subjectFields.commonName === commonName ||
        commonNameAsSan(commonName).some((name) => got.includes(name));
  if (!isNamed) throw new PkiError('name-mismatch', 'The certificate holds none of the names that were asked for');
}

/** Normalised text of a name. An invalid name keeps its text, which equals no requested name. */
function spelling(name: SubjectAltName): string {
  try {
    return `${name.type}:${normaliseSan(name).value}`;
  } catch {
    return `${name.type}:${name.value}`;
  }
}

function commonNameAsSan(commonName: string | undefined): string[] {
  return commonName ? [spelling({ type: isIP(commonName) ? 'ip' : 'dns', value: commonName })] : [];
}

/** Public CAs omit the common name or put one of the SANs there. */
function checkCommonName(leaf: ParsedCertificate, asked: string | undefined, allowed: ReadonlySet<string>): void {
  const got = leaf.subjectFields.commonName;
  if (!got || got === asked || commonNameAsSan(got).some((name) => allowed.has(name))) return;
  throw new PkiError('name-mismatch', `The issuer certified the common name "${got}", which was not requested`);
}

function checkValidity(leaf: ParsedCertificate, { notBefore, notAfter }: Ask['terms']): void {
  if (leaf.notBefore.getTime() < notBefore.getTime() - DAY_MS) {
    throw new PkiError(
      'validity-mismatch',
      `The certificate begins at ${leaf.notBefore.toISOString()}, earlier than requested`,
    );
  }
  if (leaf.notAfter > notAfter) {
    throw new PkiError(
      'validity-mismatch',
      `The certificate ends at ${leaf.notAfter.toISOString()}, later than requested`,
    );
  }
}
