import type { KeyObject } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { isSignedBy, parseCertificate, type ParsedCertificate } from '../pki/certificate.js';
import { orderChain } from '../pki/chain.js';
import { parsePrivateKey, spkiHash, spkiOf } from '../pki/key.js';
import { splitCertificates } from '../pki/pem.js';
import { PkiError } from '../pki/pki-error.js';

/** A certificate to import, with its private key and chain as far as the files have them. */
export interface FoundCertificate {
  leaf: ParsedCertificate;
  /** Issuers in order, possibly incomplete. */
  chain: ParsedCertificate[];
  privateKey: KeyObject | null;
  path: string;
}

/** The contents of several files: certificates to import, CA certificates of their chains, and unreadable files. */
export interface PemContents {
  certificates: FoundCertificate[];
  authorities: { path: string; leaf: ParsedCertificate }[];
  faults: { path: string; fault: string }[];
}

interface Pool {
  certificates: Map<string, { certificate: ParsedCertificate; path: string }>;
  keys: Map<string, KeyObject>;
  faults: PemContents['faults'];
}

const endings = new Set(['.pem', '.crt', '.cer', '.cert', '.key']);
const largest = 8 * 1024 * 1024;
const keyBlock = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[^-]+-----END \1-----/g;

/**
 * Reads files and folders, and matches certificates with keys and chains. A CA certificate is imported only if its key
 * is present and it issued none of the others, because many self-signed server certificates are marked as CA. Throws if
 * a path does not exist.
 */
export async function readPemFiles(paths: readonly string[]): Promise<PemContents> {
  const pool: Pool = { certificates: new Map(), keys: new Map(), faults: [] };
  for (const path of paths) for (const file of await filesAt(path)) await readInto(pool, file);
  const all = [...pool.certificates.values()];
  const found: PemContents = { certificates: [], authorities: [], faults: pool.faults };
  for (const { certificate: leaf, path } of all) {
    const privateKey = pool.keys.get(spkiHash(leaf.spkiDer)) ?? null;
    const others = all.map(({ certificate }) => certificate).filter((other) => other !== leaf);
    const isAuthority = leaf.isCa && (privateKey === null || (await issuesAny(leaf, others)));
    if (isAuthority) found.authorities.push({ path, leaf });
    else found.certificates.push({ leaf, path, privateKey, chain: await orderChain(leaf, others).catch(() => []) });
  }
  return found;
}

async function issuesAny(issuer: ParsedCertificate, others: readonly ParsedCertificate[]): Promise<boolean> {
  const signed = await Promise.all(others.map((other) => isSignedBy(other, issuer).catch(() => false)));
  return signed.includes(true);
}

async function filesAt(path: string): Promise<string[]> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${path} cannot be read (${error.code}).`);
  });
  if (!info.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  const files = names
    .filter((name) => endings.has(extname(name).toLowerCase()))
    .sort()
    .map((name) => join(path, name));
  const kinds = await Promise.all(files.map((file) => stat(file).catch(() => null)));
  return files.filter((_, i) => kinds[i]?.isFile());
}

async function readInto(pool: Pool, path: string): Promise<void> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > largest) throw new PkiError('malformed-pem', 'The file is too large');
    const text = bytes.toString('latin1');
    const isPem = text.includes('-----BEGIN ');
    for (const one of !isPem
      ? [bytes]
      : /-----BEGIN (X509 )?CERTIFICATE-----/.test(text)
        ? splitCertificates(text)
        : []) {
      const certificate = parseCertificate(one);
      if (!pool.certificates.has(certificate.fingerprintSha256))
        pool.certificates.set(certificate.fingerprintSha256, { certificate, path });
    }
    for (const [pem] of text.matchAll(keyBlock)) {
      const key = parsePrivateKey(pem);
      pool.keys.set(spkiHash(spkiOf(key)), key);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    pool.faults.push({
      path,
      fault: error instanceof PkiError ? error.message : `cannot be read (${code ?? 'unknown error'})`,
    });
  }
}
