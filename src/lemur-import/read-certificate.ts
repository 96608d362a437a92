import type { KeyObject } from 'node:crypto';
import type { Authority } from '../authorities/authority.entity.js';
import { termsOf } from '../certificates/certified-terms.js';
import type { TermsWithoutDates } from '../certificates/terms.js';
import { parseCertificate, type ParsedCertificate } from '../pki/certificate.js';
import { checkChain, orderChain, readLeafFirst } from '../pki/chain.js';
import { parseCsr } from '../pki/csr.js';
import { isSameKey } from '../pki/key.js';
import { splitCertificates, toPem } from '../pki/pem.js';
import { explainFault } from './fault-text.js';
import type { Fernet } from './fernet.js';
import type { LemurCertificate } from './lemur-rows.js';
import type { Note } from './report.js';
import { openKey } from './stored-key.js';

/** A parsed and checked certificate of Lemur. `chainPem` is leaf first. */
export interface ReadCertificate {
  row: LemurCertificate;
  leaf: ParsedCertificate;
  chainPem: string[];
  key: KeyObject | null;
  /** True when Lemur has a key that could not be opened. */
  keyLost: boolean;
  csrPem: string | null;
  terms: TermsWithoutDates;
  notes: Note[];
}

/** Lemur's keys, and the certificates of the authority of the row. */
export interface ReadingAids {
  fernet: Fernet;
  authority: Pick<Authority, 'certificatePem' | 'chainPem'> | undefined;
}

/** Leaves out faulty parts, with a note. Null when the certificate itself cannot be parsed. */
export async function readCertificate(
  row: LemurCertificate,
  { fernet, authority }: ReadingAids,
): Promise<{ read: ReadCertificate | null; notes: Note[] }> {
  const notes: Note[] = [];
  const note = (kind: Note['kind'], text: string, facts?: object): void => {
    notes.push({ kind, table: 'certificates', id: row.id, name: row.name ?? '', text, ...(facts && { facts }) });
  };
  try {
    const { leaf, restPem } = readLeafFirst(row.body ?? '');
    const { key, fault } = openKey(fernet, row.privateKey, leaf);
    if (fault !== null) note('fault', `It was imported without its key: ${fault}`);
    const issuers = await chainOf({ leaf, restPem }, row, authority, (text) => note('changed', text));
    const chainPem = [leaf, ...issuers].map(({ der }) => toPem('CERTIFICATE', der));
    const read = {
      row,
      leaf,
      chainPem,
      key,
      keyLost: fault !== null,
      csrPem: csrOf(row, leaf),
      terms: termsOf(leaf),
      notes,
    };
    return { read, notes };
  } catch (error) {
    const { owner, externalId, authorityId, status } = row;
    note('fault', `It cannot be read and was not imported: ${explainFault(error)}.`, {
      owner,
      externalId,
      authorityId,
      status,
      hasKey: row.privateKey !== null,
    });
    return { read: null, notes };
  }
}

/** Lemur's chain if it verifies, else the verifiable part of it and of the authority's chain. */
async function chainOf(
  { leaf, restPem }: { leaf: ParsedCertificate; restPem: string },
  { chain }: LemurCertificate,
  authority: ReadingAids['authority'],
  note: (text: string) => void,
): Promise<ParsedCertificate[]> {
  const ofChain = parsedChain(chain ?? '');
  const given = distinct([...(parsedChain(restPem) ?? []), ...(ofChain ?? [])], leaf);
  if (ofChain === null)
    note('Its chain cannot be read; the chain of its authority replaces it if that issued the certificate.');
  try {
    if (given.length > 0) {
      await checkChain(leaf, given);
      return given;
    }
  } catch {
    note('Its chain does not verify; the verifiable part of it and of the chain of its authority was imported.');
  }
  const pool = [
    ...given,
    ...(parsedChain(authority ? authority.certificatePem + authority.chainPem.join('') : '') ?? []),
  ];
  return orderChain(leaf, pool).catch(() => []);
}

/** Distinct issuers, without the leaf: the text after the leaf often repeats the chain. */
function distinct(chain: readonly ParsedCertificate[], { fingerprintSha256 }: ParsedCertificate): ParsedCertificate[] {
  const known = new Map(chain.map((one) => [one.fingerprintSha256, one]));
  known.delete(fingerprintSha256);
  return [...known.values()];
}

const mostChains = 256;
const chains = new Map<string, readonly ParsedCertificate[] | null>();

/** Cached: most certificates share few chains. Null when the text cannot be parsed. */
function parsedChain(text: string): readonly ParsedCertificate[] | null {
  const known = chains.get(text);
  if (known !== undefined) return known;
  if (chains.size >= mostChains) chains.clear();
  const read = readChain(text);
  chains.set(text, read);
  return read;
}

function readChain(text: string): ParsedCertificate[] | null {
  if (!text.includes('-----BEGIN')) return text.trim() === '' ? [] : null;
  try {
    return splitCertificates(text).map((pem) => parseCertificate(pem));
  } catch {
    return null;
  }
}

/** A CSR for another key does not belong to the certificate. */
function csrOf({ csr }: LemurCertificate, { spkiDer }: ParsedCertificate): string | null {
  if (!csr) return null;
  try {
    const parsed = parseCsr(csr);
    return isSameKey(parsed.spkiDer, spkiDer) ? toPem('CERTIFICATE REQUEST', parsed.der) : null;
  } catch {
    return null;
  }
}
