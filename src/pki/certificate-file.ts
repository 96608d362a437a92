import type { KeyObject } from 'node:crypto';
import { parseCertificate, type ParsedCertificate } from './certificate.js';
import { isJks, readJks } from './jks-reader.js';
import { parsePrivateKey } from './key.js';
import type { StoreContent } from './keystore.js';
import { type Effort, openPkcs12 } from './pkcs12-reader.js';
import { certificatesOfPkcs7, PKCS7_LABELS } from './pkcs7.js';
import { PkiError } from './pki-error.js';

/** A file with its content. `path` is shown to users, and its extension tells the format. */
export interface NamedFile {
  path: string;
  bytes: Buffer;
}

/** What one file holds, in its order. `faults`: why a part of it cannot be read. */
export interface FileContent {
  certificates: ParsedCertificate[];
  /** Those that are not encrypted, or that a passphrase opens. */
  keys: KeyObject[];
  /** PEM keys that are encrypted, which are not read. */
  lockedKeys: number;
  /** The passphrase that opened a PKCS#12 file; null for any other file. */
  openedBy: string | null;
  faults: string[];
}

/** Iterations of key derivation for one file, over all passphrases. */
const mostIterations = 20_000_000;

const derFiles = ['.crt', '.cer', '.cert', '.der'];
const pkcs7Files = ['.p7b', '.p7c'];
const storeFiles = ['.p12', '.pfx', '.jks', '.jceks', '.keystore', '.truststore'];

/** The extensions of files that may hold certificates. */
export const certificateFiles: readonly string[] = ['.pem', ...derFiles, ...pkcs7Files, ...storeFiles];
/** The extensions of files that may hold a private key and no certificate. */
export const keyFiles: readonly string[] = ['.key', '.pem'];

const certificateBlock = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)(?:-----END \1-----)?/g;
const pkcs7Block = new RegExp(`-----BEGIN (${PKCS7_LABELS.join('|')})-----([^-]*)(?:-----END \\1-----)?`, 'g');
const keyBlock = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[^-]+-----END \1-----/g;
const lockedBlock = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/gm;

/**
 * Reads PEM, DER, PKCS#7, PKCS#12, JKS and JCEKS by name and content. `passphrases` are tried in order; for PKCS#12,
 * `effort` is for all of them together.
 */
export async function contentOf(
  { path, bytes }: NamedFile,
  passphrases: readonly string[],
  effort: Effort = { left: mostIterations },
): Promise<FileContent> {
  const content: FileContent = { certificates: [], keys: [], lockedKeys: 0, openedBy: null, faults: [] };
  const extension = extensionOf(path);
  try {
    if (storeFiles.includes(extension)) {
      const { certificatesPem, privateKeys, openedBy } = await storeContent(bytes, passphrases, effort);
      content.openedBy = openedBy;
      for (const pem of certificatesPem) read(content, pem);
      content.keys.push(...privateKeys);
    } else if (bytes.includes('-----BEGIN')) readPem(content, bytes.toString('latin1'));
    else if (pkcs7Files.includes(extension)) for (const der of certificatesOfPkcs7(bytes)) read(content, der);
    else if (derFiles.includes(extension)) read(content, bytes);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    content.faults.push(`It cannot be read: ${error.message}`);
  }
  return content;
}

/** In lower case with its dot; empty without one. */
export function extensionOf(path: string): string {
  return /[^/](\.[^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
}

/** A trust store without a passphrase is opened with the empty one. */
async function storeContent(
  bytes: Buffer,
  passphrases: readonly string[],
  effort: Effort,
): Promise<StoreContent & Pick<FileContent, 'openedBy'>> {
  if (isJks(bytes)) return { ...readJks(bytes, passphrases), openedBy: null };
  let fault: unknown;
  for (const passphrase of new Set([...passphrases, ''])) {
    try {
      return { ...(await openPkcs12(bytes, passphrase, effort)), openedBy: passphrase };
    } catch (error) {
      // No other passphrase could be tried: that the first does not open the file would mislead.
      if (effort.left < 0) throw error;
      fault ??= error;
    }
  }
  throw fault;
}

function readPem(content: FileContent, text: string): void {
  for (const [, , body = ''] of text.matchAll(certificateBlock)) read(content, Buffer.from(body, 'base64'));
  content.lockedKeys = text.match(lockedBlock)?.length ?? 0;
  for (const [pem] of text.matchAll(keyBlock)) {
    try {
      content.keys.push(parsePrivateKey(pem));
    } catch (error) {
      // Some other key beside a certificate is no fault of the certificate.
      if (!(error instanceof PkiError)) throw error;
    }
  }
  for (const [, , body = ''] of text.matchAll(pkcs7Block))
    for (const der of certificatesOfPkcs7(Buffer.from(body, 'base64'))) read(content, der);
}

function read({ certificates, faults }: FileContent, encoded: Buffer | string): void {
  try {
    certificates.push(parseCertificate(encoded));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    faults.push(`It holds a certificate that cannot be read: ${error.message}`);
  }
}
