import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { parseCertificate } from './certificate.js';
import type { Bundle } from '../plugin-api/export.js';

/** What a key or trust store that was opened holds. Certificates are PEM, in the order of the file. */
export interface StoreContent {
  privateKeys: KeyObject[];
  certificatesPem: string[];
}

/** A private key with its certificates, DER; `chainDer` is leaf first and must not be empty. */
export interface KeyEntry {
  alias: string;
  pkcs8Der: Buffer;
  chainDer: readonly Buffer[];
}

/** A certificate to be trusted by Java, DER. */
export interface TrustEntry {
  alias: string;
  certificateDer: Buffer;
}

/**
 * Permitted characters of a passphrase. Tools encode other characters differently: a file could open in one program but
 * not in another.
 */
export const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;

/** 128 random bits as 32 hexadecimal digits: safe in every shell, terminal and properties file. */
export function generatePassphrase(): string {
  return randomBytes(16).toString('hex');
}

/** The password form of PKCS#12 and JKS: UTF-16, big-endian, no terminator. */
export function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

/** The key store entry, without the root: a server need not send it (RFC 8446 §4.4.2). */
export function keyEntry(alias: string, chainPem: readonly string[], privateKeyPem: string): KeyEntry {
  const chain = chainPem.map(derOf);
  return {
    alias,
    pkcs8Der: createPrivateKey(privateKeyPem).export({ type: 'pkcs8', format: 'der' }),
    chainDer: chain.filter((der, depth) => depth === 0 || !isRoot(der)),
  };
}

/** All certificates of the chain, then the root, as `<alias>_cert`, `<alias>_cert_1`, …. */
export function trustEntries(alias: string, { chainPem, rootPem }: Pick<Bundle, 'chainPem' | 'rootPem'>): TrustEntry[] {
  const chain = chainPem.map(derOf);
  const root = rootPem === undefined ? [] : [derOf(rootPem)];
  const missing = root.filter((der) => !chain.some((known) => known.equals(der)));
  return [...chain, ...missing].map((certificateDer, depth) => ({
    alias: depth === 0 ? `${alias}_cert` : `${alias}_cert_${depth}`,
    certificateDer,
  }));
}

/** The entries with lower-case aliases, by which Java finds them. Throws RangeError for duplicates. */
export function withJavaAliases<E extends { alias: string }>(entries: readonly E[]): E[] {
  const lowered = entries.map((entry) => ({ ...entry, alias: entry.alias.toLowerCase() }));
  const aliases = new Set(lowered.map(({ alias }) => alias));
  if (aliases.size < lowered.length) throw new RangeError('Two entries share an alias; Java ignores case');
  return lowered;
}

function derOf(pem: string): Buffer {
  return parseCertificate(pem).der;
}

function isRoot(der: Buffer): boolean {
  try {
    const certificate = new X509Certificate(der);
    return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
  } catch {
    // OpenSSL cannot parse every stored certificate; one that it cannot parse is not a root.
    return false;
  }
}
