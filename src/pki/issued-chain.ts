import { isSelfIssued, parseCertificate, type ParsedCertificate } from './certificate.js';
import { orderChain } from './chain.js';
import { isSameKey } from './key.js';
import { CERTIFICATE_LABELS, pemBlocks, toPem } from './pem.js';
import { certificatesOfPkcs7, PKCS7_LABELS } from './pkcs7.js';
import { PkiError } from './pki-error.js';

const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

/**
 * The certificates in what a CA sent, in its order: PEM, PKCS#7 in PEM, DER of either, or base64 of DER. Throws
 * PkiError `malformed-certificate` or `malformed-pem`.
 */
export function certificatesIn(content: Buffer): ParsedCertificate[] {
  const text = content.toString('latin1');
  if (text.includes('-----BEGIN')) {
    return pemBlocks(text, [...CERTIFICATE_LABELS, ...PKCS7_LABELS]).flatMap(({ label, der }) =>
      PKCS7_LABELS.includes(label) ? fromPkcs7(der) : [parseCertificate(der)],
    );
  }
  const der = BASE64.test(text) ? Buffer.from(text, 'base64') : content;
  try {
    return fromPkcs7(der);
  } catch (error) {
    if (error instanceof PkiError) return [parseCertificate(der)];
    throw error;
  }
}

/** What a CA answered to a request for a key. */
export interface ChainAnswer {
  /** In any order, with or without the root. */
  certificates: readonly ParsedCertificate[];
  /** SubjectPublicKeyInfo that was certified, DER. */
  spkiDer: Buffer;
  /** CA certificates that complete a chain which came without them, PEM. */
  knownPem?: readonly string[];
}

/**
 * The chain as an issuer returns it: leaf first, without the root unless the root issued it. The leaf is the newest
 * certificate of the key; without one, a certificate that issued none of the others, so that a wrong answer is kept
 * whole. Throws PkiError `malformed-certificate` when there is none.
 */
export async function chainForKey({ certificates, spkiDer, knownPem = [] }: ChainAnswer): Promise<string[]> {
  const leaf = newest(certificates.filter((one) => isOfKey(one, spkiDer))) ?? endEntityOf(certificates);
  if (!leaf) throw new PkiError('malformed-certificate', 'The CA sent no certificate');
  const known = knownPem.map((pem) => parseCertificate(pem));
  const issuers = await orderChain(leaf, [...certificates, ...known]);
  const top = issuers.at(-1);
  const withoutRoot = top && issuers.length > 1 && isSelfIssued(top) ? issuers.slice(0, -1) : issuers;
  return [leaf, ...withoutRoot].map(({ der }) => toPem('CERTIFICATE', der));
}

/**
 * A chain (leaf first) that came as the leaf alone, completed from `knownPem` without the root unless that is the
 * issuer; any other as it is. Throws PkiError for PEM that cannot be read.
 */
export async function withKnownIssuers(chainPem: readonly string[], knownPem: readonly string[]): Promise<string[]> {
  const [leafPem] = chainPem;
  if (leafPem === undefined || chainPem.length > 1) return [...chainPem];
  const leaf = parseCertificate(leafPem);
  return chainForKey({ certificates: [leaf], spkiDer: leaf.spkiDer, knownPem });
}

/** Whether the certificate is for this key; false for a key of a kind that nobody here can read. */
export function isOfKey({ spkiDer }: Pick<ParsedCertificate, 'spkiDer'>, other: Buffer): boolean {
  try {
    return isSameKey(spkiDer, other);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

function fromPkcs7(der: Buffer): ParsedCertificate[] {
  return certificatesOfPkcs7(der).map((one) => parseCertificate(one));
}

function newest(certificates: readonly ParsedCertificate[]): ParsedCertificate | undefined {
  return [...certificates].sort((a, b) => b.notBefore.getTime() - a.notBefore.getTime())[0];
}

function endEntityOf(certificates: readonly ParsedCertificate[]): ParsedCertificate | undefined {
  return certificates.find(({ isCa }) => !isCa) ?? certificates[0];
}
