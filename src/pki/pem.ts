import { PkiError } from './pki-error.js';

const MAX_PEM_LENGTH = 8 * 1024 * 1024;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * PEM labels of certificates and requests (RFC 7468 §5.1 and §7, older spellings last). OpenSSL's trusted certificate
 * has octets after the certificate, which `parseCertificate` ignores.
 */
export const CERTIFICATE_LABELS = ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'] as const;
export const CSR_LABELS = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'] as const;

/**
 * The DER of every block with one of `labels`, in order; skips other blocks and text (RFC 7468). Throws PkiError
 * `malformed-pem` when there is none, or when a block is truncated or not base64.
 */
export function parsePem(text: string, ...labels: readonly string[]): Buffer[] {
  return pemBlocks(text, labels).map((block) => block.der);
}

/** As `parsePem`, with the label of each block. */
export function pemBlocks(text: string, labels: readonly string[]): { label: string; der: Buffer }[] {
  if (text.length > MAX_PEM_LENGTH) throw new PkiError('malformed-pem', 'The PEM text is too large');
  const blocks: { label: string; der: Buffer }[] = [];
  // Not bound to the start of a line: files joined without a newline must not lose a block.
  const opening = /-----BEGIN ([A-Z0-9 ]{1,64})-----/g;
  for (let found = opening.exec(text); found; found = opening.exec(text)) {
    const label = found[1] ?? '';
    if (!labels.includes(label)) continue;
    const end = text.indexOf(`-----END ${label}-----`, opening.lastIndex);
    if (end < 0) throw new PkiError('malformed-pem', `The PEM block "${label}" has no end`);
    blocks.push({ label, der: decodeBody(text.slice(opening.lastIndex, end), label) });
    opening.lastIndex = end;
  }
  if (blocks.length === 0) throw new PkiError('malformed-pem', `No PEM block "${labels.join('" or "')}" found`);
  return blocks;
}

function decodeBody(body: string, label: string): Buffer {
  // RFC 1421 §4.6 headers end at an empty line; Proc-Type marks an encrypted body.
  const text =
    /^\s*[\w-]+:/.test(body) && !/^\s*Proc-Type:/.test(body) ? body.replace(/^[^]*?\n[\t ]*\r?\n/, '') : body;
  const base64 = text.replace(/[\r\n\t ]+/g, '');
  if (base64.length % 4 !== 0 || !BASE64.test(base64)) {
    throw new PkiError('malformed-pem', `The PEM block "${label}" is not base64`);
  }
  return Buffer.from(base64, 'base64');
}

/** One block in lines of 64 characters, with a final newline. */
export function toPem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${linesOf(der)}-----END ${label}-----\n`;
}

/** Octets of a part: whole lines of 48 octets, about a megabyte. */
const partOctets = 48 * 20_000;

/** What `toPem` returns, in parts, so that the caller can do other work between those of a large object. */
export function* pemParts(label: string, der: Buffer): Generator<string, void> {
  yield `-----BEGIN ${label}-----\n`;
  for (let at = 0; at < der.length; at += partOctets) yield linesOf(der.subarray(at, at + partOctets));
  yield `-----END ${label}-----\n`;
}

function linesOf(der: Buffer): string {
  const base64 = der.toString('base64');
  let lines = '';
  for (let at = 0; at < base64.length; at += 64) lines += `${base64.slice(at, at + 64)}\n`;
  return lines;
}

/** The certificates in `text`, in order, each as one normalised PEM block. Throws PkiError `malformed-pem`. */
export function splitCertificates(text: string): string[] {
  return parsePem(text, ...CERTIFICATE_LABELS).map((der) => toPem('CERTIFICATE', der));
}

/** These PEM texts in one. OpenSSL rejects two blocks that share a line. */
export function pemText(pems: readonly string[]): string {
  return pems.map((pem) => `${pem.trim()}\n`).join('');
}
