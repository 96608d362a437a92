import type { KeyObject } from 'node:crypto';
import { extname } from 'node:path';
import { parseCertificate, type ParsedCertificate } from '../../src/pki/certificate.js';
import { isJks, readJks } from '../../src/pki/jks-reader.js';
import { parsePrivateKey } from '../../src/pki/key.js';
import type { StoreContent } from '../../src/pki/keystore.js';
import { openPkcs12 } from '../../src/pki/pkcs12-reader.js';
import { certificatesOfPkcs7 } from '../../src/pki/pkcs7.js';
import { PkiError } from '../../src/pki/pki-error.js';
import type { ReadFile } from './certificate-files.js';

/** What one file holds, in its order. `faults`: why a part of it cannot be read. */
export interface FileContent {
  certificates: ParsedCertificate[];
  /** Those that are not encrypted, or that a passphrase opens. */
  keys: KeyObject[];
  faults: string[];
}

const derFiles = ['.crt', '.cer', '.cert', '.der'];
const pkcs7Files = ['.p7b', '.p7c'];
const storeFiles = ['.p12', '.pfx', '.jks', '.jceks', '.keystore', '.truststore'];

/** The extensions of files that may hold certificates. */
export const certificateFiles: readonly string[] = ['.pem', ...derFiles, ...pkcs7Files, ...storeFiles];
/** The extensions of files that may hold a private key and no certificate. */
export const keyFiles: readonly string[] = ['.key', '.pem'];

const certificateBlock = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([^-]*)(?:-----END \1-----)?/g;
const keyBlock = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[^-]+-----END \1-----/g;

/** Reads PEM, DER, PKCS#7, PKCS#12, JKS and JCEKS by name and content. `passphrases` are tried in order. */
export async function contentOf({ path, bytes }: ReadFile, passphrases: readonly string[]): Promise<FileContent> {
  const content: FileContent = { certificates: [], keys: [], faults: [] };
  const extension = extname(path).toLowerCase();
  try {
    if (storeFiles.includes(extension)) {
      const { certificatesPem, privateKeys } = await storeContent(bytes, passphrases);
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

/** A trust store without a passphrase is opened with the empty one. */
async function storeContent(bytes: Buffer, passphrases: readonly string[]): Promise<StoreContent> {
  if (isJks(bytes)) return readJks(bytes, passphrases);
  let fault: unknown;
  for (const passphrase of [...passphrases, '']) {
    try {
      return await openPkcs12(bytes, passphrase);
    } catch (error) {
      fault ??= error;
    }
  }
  throw fault;
}

function readPem(content: FileContent, text: string): void {
  for (const [, , body = ''] of text.matchAll(certificateBlock)) read(content, Buffer.from(body, 'base64'));
  for (const [pem] of text.matchAll(keyBlock)) {
    try {
      content.keys.push(parsePrivateKey(pem));
    } catch (error) {
      // Some other key beside a certificate is no fault of the certificate.
      if (!(error instanceof PkiError)) throw error;
    }
  }
}

function read({ certificates, faults }: FileContent, encoded: Buffer | string): void {
  try {
    certificates.push(parseCertificate(encoded));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    faults.push(`It holds a certificate that cannot be read: ${error.message}`);
  }
}
