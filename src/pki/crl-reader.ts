import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers';
import type { RawExtension } from '../plugin-api/terms.js';
import { DerError, DerReader, readTlv, Tag } from './der/reader.js';
import { readPointName, REVOCATION_REASONS } from './distribution-points.js';
import { readExtensions } from './extension-reader.js';
import { ExtensionOid } from './extensions.js';
import type { GeneralName } from './path/general-name.js';
import { parsePem } from './pem.js';
import { PkiError } from './pki-error.js';

/** For which certificates and reasons a CRL speaks (RFC 5280 §5.2.5). */
export interface CrlScope {
  names: readonly GeneralName[];
  /** True when the CRL is named relative to its issuer, which is not compared here. */
  isRelative: boolean;
  only?: 'users' | 'authorities' | 'attributes';
  /** Bits of ReasonFlags. */
  reasons?: readonly number[];
  isIndirect: boolean;
}

/** A CRL without its entries, which `findEntry` searches. Buffers are views of `der`. */
export interface ParsedCrl {
  der: Buffer;
  tbsDer: Buffer;
  algorithmDer: Buffer;
  signature: Buffer;
  /** See `ParsedCertificate.algorithmsAgree`. */
  algorithmsAgree: boolean;
  issuerDer: Buffer;
  thisUpdate: Date;
  nextUpdate?: Date;
  /** The content of revokedCertificates. */
  entriesDer: Buffer;
  extensions: RawExtension[];
  number?: bigint;
  /** The number of the CRL on which a delta CRL builds. */
  baseNumber?: bigint;
  /** Lower hex. */
  authorityKeyIdentifier?: string;
  scope?: CrlScope;
  /** SHA-256 of `der`, lower hex. */
  fingerprintSha256: string;
}

/** Parses a CRL in DER or PEM, of any size. Throws PkiError `malformed-crl` or `malformed-pem`. */
export function parseCrl(derOrPem: Buffer): ParsedCrl {
  const isPem = derOrPem.subarray(0, 64).includes('-----BEGIN');
  const [der = derOrPem] = isPem ? parsePem(derOrPem.toString('latin1'), 'X509 CRL') : [];
  try {
    return readCrl(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new PkiError('malformed-crl', `The CRL is not readable: ${error.message}`, { cause: error });
  }
}

function readCrl(der: Buffer): ParsedCrl {
  const outer = DerReader.enter(der);
  const tbsDer = outer.raw(Tag.sequence);
  const algorithmDer = outer.raw(Tag.sequence);
  const signature = outer.bitString().bytes;
  outer.end();
  const tbs = DerReader.enter(tbsDer);
  if (tbs.peek() === Tag.integer) tbs.integer();
  const algorithmsAgree = tbs.raw(Tag.sequence).equals(algorithmDer);
  const issuerDer = tbs.raw(Tag.sequence);
  const thisUpdate = tbs.time();
  const isTime = tbs.peek() === Tag.utcTime || tbs.peek() === Tag.generalizedTime;
  const nextUpdate = isTime ? tbs.time() : undefined;
  const entriesDer = tbs.peek() === Tag.sequence ? tbs.content() : Buffer.alloc(0);
  const wrapper = tbs.enterIf(0xa0);
  const extensions = wrapper ? readExtensions(wrapper.enter()) : [];
  tbs.end();
  const signed = { tbsDer, algorithmDer, signature, algorithmsAgree };
  const times = { thisUpdate, ...(nextUpdate && { nextUpdate }) };
  const fingerprintSha256 = hash('sha256', der, 'hex');
  return { der, ...signed, issuerDer, ...times, entriesDer, extensions, ...readFacts(extensions), fingerprintSha256 };
}

type CrlFacts = Pick<ParsedCrl, 'number' | 'baseNumber' | 'authorityKeyIdentifier' | 'scope'>;

function readFacts(extensions: readonly RawExtension[]): CrlFacts {
  const facts: CrlFacts = {};
  for (const { oid, valueDer } of extensions) {
    const reader = DerReader.over(valueDer);
    if (oid === ExtensionOid.crlNumber) facts.number = readNumber(reader);
    if (oid === ExtensionOid.deltaCrlIndicator) facts.baseNumber = readNumber(reader);
    if (oid === ExtensionOid.issuingDistributionPoint) facts.scope = readScope(reader.enter());
    if (oid === ExtensionOid.authorityKeyIdentifier) {
      const identifier = reader.enter();
      if (identifier.peek() === 0x80) facts.authorityKeyIdentifier = identifier.content().toString('hex');
    }
  }
  return facts;
}

function readNumber(reader: DerReader): bigint {
  const content = reader.integer();
  reader.end();
  if ((content[0] ?? 0) >= 0x80) throw new DerError('A CRL number is negative');
  return BigInt(`0x${content.toString('hex')}`);
}

const ONLY: ReadonlyMap<number, NonNullable<CrlScope['only']>> = new Map([
  [0x81, 'users'],
  [0x82, 'authorities'],
  [0x85, 'attributes'],
]);

function readScope(reader: DerReader): CrlScope {
  const scope: CrlScope = { names: [], isRelative: false, isIndirect: false };
  const point = reader.enterIf(0xa0);
  if (point) {
    scope.isRelative = point.peek() === 0xa1;
    scope.names = readPointName(point);
  }
  while (reader.more) {
    const tag = reader.peek() ?? 0;
    if (tag === 0x83) scope.reasons = reader.namedBits(0x83);
    else {
      const isSet = reader.content().some((octet) => octet !== 0);
      const only = ONLY.get(tag);
      if (isSet && only) scope.only = only;
      if (isSet && tag === 0x84) scope.isIndirect = true;
    }
  }
  return scope;
}

/** One entry of a CRL. */
export interface CrlEntry {
  revokedAt: Date;
  /** Absent when no reason is given. */
  reason?: NonNullable<(typeof REVOCATION_REASONS)[number]>;
  invalidAt?: Date;
}

/** An entry with the serial number of its certificate (the content of the INTEGER). */
export interface NumberedEntry extends CrlEntry {
  serial: Buffer;
}

/**
 * All entries in order, in parts of at most `atOnce`, between which other work of the process gets its turn. The
 * generator throws PkiError `malformed-crl`.
 */
export async function* entriesIn({ entriesDer }: ParsedCrl, atOnce: number): AsyncGenerator<NumberedEntry[]> {
  for (let at = 0; at < entriesDer.length;) {
    const part: NumberedEntry[] = [];
    orMalformedEntry(() => {
      while (part.length < atOnce && at < entriesDer.length) {
        const entry = readTlv(entriesDer, at);
        if (entry.tag !== Tag.sequence) throw new DerError('Expected an entry');
        const number = readTlv(entriesDer, entry.start, entry.end);
        const serial = entriesDer.subarray(number.start, number.end);
        part.push({ serial, ...readEntry(entriesDer.subarray(entry.header, entry.after)) });
        at = entry.after;
      }
    });
    yield part;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Entries that are looked at before other work of the process gets its turn. */
const entriesAtOnce = 50_000;

/**
 * The entry of a serial number (the content of its INTEGER), or null. Keeps no entry and does not hold up the event
 * loop, however long the list is. Extensions of entries say why and when, and none of them undoes a revocation, so
 * unknown ones are left out. Throws PkiError `malformed-crl`.
 */
export async function findEntry({ entriesDer }: ParsedCrl, serial: Buffer): Promise<CrlEntry | null> {
  for (let at = 0; at < entriesDer.length;) {
    const found = orMalformedEntry(() => searched(entriesDer, at, serial));
    if (typeof found !== 'number') return found;
    at = found;
    if (at < entriesDer.length) await new Promise((resolve) => setImmediate(resolve));
  }
  return null;
}

/** The entry, or the offset at which the search goes on. */
function searched(entriesDer: Buffer, from: number, serial: Buffer): CrlEntry | number {
  let at = from;
  for (let count = 0; count < entriesAtOnce && at < entriesDer.length; count += 1) {
    const entry = readTlv(entriesDer, at);
    const number = readTlv(entriesDer, entry.start, entry.end);
    if (entry.tag !== Tag.sequence || number.tag !== Tag.integer) throw new DerError('Expected an entry');
    const isFound =
      number.end - number.start === serial.length &&
      entriesDer.compare(serial, 0, serial.length, number.start, number.end) === 0;
    if (isFound) return readEntry(entriesDer.subarray(entry.header, entry.after));
    at = entry.after;
  }
  return at;
}

function orMalformedEntry<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new PkiError('malformed-crl', `An entry of the CRL is not readable: ${error.message}`, { cause: error });
  }
}

function readEntry(entryDer: Buffer): CrlEntry {
  const reader = DerReader.enter(entryDer);
  reader.next(Tag.integer);
  const entry: CrlEntry = { revokedAt: reader.time() };
  for (const { oid, valueDer } of reader.more ? readExtensions(reader.enter()) : []) {
    const value = DerReader.over(valueDer);
    if (oid === ExtensionOid.reasonCode) entry.reason = REVOCATION_REASONS[value.smallInteger(Tag.enumerated)];
    else if (oid === ExtensionOid.invalidityDate) entry.invalidAt = value.time();
  }
  reader.end();
  return entry;
}
