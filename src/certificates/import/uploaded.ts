import type { KeyObject } from 'node:crypto';
import { isSignedBy, parseCertificate, type ParsedCertificate } from '../../pki/certificate.js';
import { checkChain, orderChain, readChain, readLeafFirst } from '../../pki/chain.js';
import { parseCsr } from '../../pki/csr.js';
import { isSameKey, parsePrivateKey, publicMatches } from '../../pki/key.js';
import { splitCertificates, toPem } from '../../pki/pem.js';
import { PkiError } from '../../pki/pki-error.js';
import { blame } from '../../platform/http/blame.js';
import { invalid, Problem } from '../../platform/http/problem.js';
import { termsOf } from '../certified-terms.js';
import type { TermsWithoutDates } from '../terms.js';
import type { UploadRequest } from './upload.schema.js';

/** The longest chain to sort: sorting may verify as many signatures as the square of its length. */
const longestSorted = 5;

/** A certificate from a request or a source, with its chain, key and CSR. All are parsed and belong together. */
export interface Uploaded {
  leaf: ParsedCertificate;
  /** Leaf first, each in normalised PEM. */
  chainPem: string[];
  privateKey: KeyObject | null;
  csrPem: string | null;
  terms: TermsWithoutDates;
}

/** Parses the request of an upload. Throws Problem `invalid-request`, which names the member. */
export async function readUpload(request: UploadRequest): Promise<Uploaded> {
  const { leaf, restPem } = read('body', 'Public certificate presented is not valid.', () =>
    readLeafFirst(request.body),
  );
  const issuers = await readIssuers(leaf, restPem, request.chain ?? '');
  const privateKey = request.privateKey ? readKey(request.privateKey, leaf) : null;
  return {
    leaf,
    privateKey,
    csrPem: request.csr ? readCsr(request.csr, leaf) : null,
    chainPem: [leaf, ...issuers].map((certificate) => toPem('CERTIFICATE', certificate.der)),
    terms: termsOf(leaf),
  };
}

/** Sorts the issuers. Throws PkiError `chain-order` when one does not belong to the chain. */
async function inOrder(leaf: ParsedCertificate, chain: readonly ParsedCertificate[]): Promise<ParsedCertificate[]> {
  const ordered = chain.length <= longestSorted ? await orderChain(leaf, chain) : [];
  if (ordered.length === chain.length) return ordered;
  await checkChain(leaf, chain);
  return [...chain];
}

/**
 * The certificates that follow the leaf in its own text, then the given chain. The text may have any order and repeat
 * certificates of the chain.
 */
async function readIssuers(leaf: ParsedCertificate, restPem: string, chain: string): Promise<ParsedCertificate[]> {
  const field = chain === '' ? 'body' : 'chain';
  if (restPem + chain === '') return [];
  const given = read(field, 'Invalid certificate in certificate chain.', () => {
    if (chain !== '') readChain(chain, leaf.der);
    return readChain(restPem + chain, leaf.der);
  });
  return blame(field, () => inOrder(leaf, given));
}

/**
 * Parses a certificate that a source reports. `chainPem` is leaf first, then possible issuers. A chain or key that does
 * not belong to the certificate is left out. Throws PkiError when the leaf cannot be parsed.
 */
export async function readFound(chainPem: readonly string[], privateKeyPem?: string): Promise<Uploaded> {
  const [first = '', ...others] = chainPem;
  const { leaf, restPem } = readLeafFirst(first);
  const issuers = await orderChain(
    leaf,
    [restPem, ...others].flatMap((pem) =>
      orElse([], () => splitCertificates(pem)).flatMap((one) => orElse([], () => [parseCertificate(one)])),
    ),
  );
  const privateKey = privateKeyPem === undefined ? null : orElse(null, () => parsePrivateKey(privateKeyPem));
  return {
    leaf,
    csrPem: null,
    terms: termsOf(leaf),
    privateKey: privateKey && orElse(false, () => publicMatches(privateKey, leaf.spkiDer)) ? privateKey : null,
    chainPem: [leaf, ...issuers].map(({ der }) => toPem('CERTIFICATE', der)),
  };
}

function orElse<T>(otherwise: T, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PkiError) return otherwise;
    throw error;
  }
}

/** The CA certificate among these that signed the certificate. Throws Problem `invalid-request` when none did. */
export async function issuerAmong(leaf: ParsedCertificate, issuerPems: readonly string[]): Promise<string> {
  const issuerPem = await findIssuer(leaf, issuerPems);
  if (issuerPem === null) throw invalid('authority', 'That authority did not issue this certificate.');
  return issuerPem;
}

/** Like `issuerAmong`; null when none did. */
export async function findIssuer(leaf: ParsedCertificate, issuerPems: readonly string[]): Promise<string | null> {
  for (const pem of issuerPems) if (await isSignedBy(leaf, parseCertificate(pem))) return pem;
  return null;
}

function readKey(pem: string, leaf: ParsedCertificate): KeyObject {
  const key = read('privateKey', 'Private key presented is not valid.', () => parsePrivateKey(pem));
  if (!blame('privateKey', () => publicMatches(key, leaf.spkiDer)))
    throw invalid('privateKey', 'Private key does not match certificate.');
  return key;
}

function readCsr(pem: string, leaf: ParsedCertificate): string {
  const csr = blame('csr', () => parseCsr(pem));
  if (!blame('csr', () => isSameKey(csr.spkiDer, leaf.spkiDer)))
    throw invalid('csr', 'The CSR is for another key than the certificate.');
  return toPem('CERTIFICATE REQUEST', csr.der);
}

function read<T>(field: string, text: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PkiError)
      throw new Problem('invalid-request', text, { reasons: { [field]: [text, error.message] } });
    throw error;
  }
}
