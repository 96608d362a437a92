import type { KeyObject } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { isSignedBy, type ParsedCertificate } from '../../pki/certificate.js';
import { contentOf, type NamedFile } from '../../pki/certificate-file.js';
import { orderChain } from '../../pki/chain.js';
import type { Effort } from '../../pki/pkcs12-reader.js';
import { spkiHash, spkiOf } from '../../pki/key.js';
import { PkiError } from '../../pki/pki-error.js';

/** A certificate to import, with its private key and chain as far as the files have them. */
export interface MatchedCertificate {
  leaf: ParsedCertificate;
  /** Issuers in order, possibly incomplete. */
  chain: ParsedCertificate[];
  privateKey: KeyObject | null;
  path: string;
}

/** The contents of several files: certificates to import, CA certificates of their chains, and what is unreadable. */
export interface MatchedFiles {
  certificates: MatchedCertificate[];
  authorities: { path: string; leaf: ParsedCertificate }[];
  faults: { path: string; fault: string }[];
}

/**
 * Reads files, in any of the formats of `contentOf`, and matches certificates with keys and chains over all of them. A
 * CA certificate is imported only if its key is present and it issued none of the others, because many self-signed
 * server certificates are marked as CA. Reads one file at a time and keeps none of them. `demandFew` is called with the
 * number of different certificates so far and may throw; `effort` is for all files together. The passphrase that opened
 * the last PKCS#12 file is tried first on the next one.
 */
export async function matchFiles(
  files: Iterable<NamedFile> | AsyncIterable<NamedFile>,
  passphrases: readonly string[] = [],
  { demandFew, effort }: { demandFew?: (count: number) => void; effort?: Effort } = {},
): Promise<MatchedFiles> {
  const found: MatchedFiles = { certificates: [], authorities: [], faults: [] };
  const known = new Map<string, { leaf: ParsedCertificate; path: string }>();
  const keys = new Map<string, KeyObject>();
  let inOrder = passphrases;
  for await (const file of files) {
    // A file may have thousands of certificates: others are answered between two files.
    await setImmediate();
    const content = await contentOf(file, inOrder, effort);
    // Files that were made together have the same passphrase, and every other one costs a key derivation.
    if (content.openedBy !== null) inOrder = [...new Set([content.openedBy, ...passphrases])];
    for (const leaf of content.certificates)
      if (!known.has(leaf.fingerprintSha256)) known.set(leaf.fingerprintSha256, { leaf, path: file.path });
    demandFew?.(known.size);
    for (const key of content.keys) keys.set(spkiHash(spkiOf(key)), key);
    const locked = content.lockedKeys > 0 ? ['The private key is encrypted; give it without a passphrase.'] : [];
    found.faults.push(...[...content.faults, ...locked].map((fault) => ({ path: file.path, fault })));
  }
  const all = [...known.values()].map(({ leaf }) => leaf);
  for (const { leaf, path } of known.values()) {
    const privateKey = keys.get(spkiHash(leaf.spkiDer)) ?? null;
    const isAuthority = leaf.isCa && (privateKey === null || (await issuesAny(leaf, all)));
    if (isAuthority) found.authorities.push({ path, leaf });
    else found.certificates.push({ leaf, path, privateKey, chain: await chainOf(leaf, all) });
  }
  return found;
}

async function chainOf(leaf: ParsedCertificate, all: readonly ParsedCertificate[]): Promise<ParsedCertificate[]> {
  try {
    return await orderChain(leaf, all);
  } catch (error) {
    if (error instanceof PkiError) return [];
    throw error;
  }
}

async function issuesAny(issuer: ParsedCertificate, all: readonly ParsedCertificate[]): Promise<boolean> {
  for (const one of all) if (one !== issuer && (await isSignedBy(one, issuer).catch(() => false))) return true;
  return false;
}
