import { isIP, isIPv4 } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import type { SanType, SubjectAltName } from '../plugin-api/terms.js';
import { decodeOid, DerError, DerReader } from './der/reader.js';
import * as der from './der/writer.js';
import { decodeOctets, formatDn, readText } from './names.js';
import { orPkiError, PkiError } from './pki-error.js';

/** GeneralName tags of RFC 5280 §4.2.1.6. */
const TAGS: Readonly<Record<SanType, number>> = { email: 1, dns: 2, uri: 6, ip: 7, registeredId: 8 };
const TYPES = new Map(Object.entries(TAGS).map(([type, n]) => [0x80 | n, type as SanType]));

/** A name of a type that is not issued here, as text. */
export interface OtherAltName {
  type: 'otherName' | 'x400Address' | 'directoryName' | 'ediPartyName' | 'ipNetwork' | 'unknown';
  value: string;
}

export function isIssuable(name: SubjectAltName | OtherAltName): name is SubjectAltName {
  return Object.hasOwn(TAGS, name.type);
}

/** Parses GeneralNames into issuable names and others. Throws DerError. */
export function parseSan(valueDer: Buffer): { names: SubjectAltName[]; others: OtherAltName[] } {
  const all: (SubjectAltName | OtherAltName)[] = [];
  for (const reader = DerReader.enter(valueDer); reader.more;) all.push(readAltName(reader));
  return { names: all.filter(isIssuable), others: all.filter((name) => !isIssuable(name)) };
}

/** Reads the next GeneralName. Throws DerError when it is not an element. */
export function readAltName(reader: DerReader): SubjectAltName | OtherAltName {
  const tag = reader.peek() ?? 0;
  const rest = reader.copy();
  const raw = reader.raw();
  try {
    const type = TYPES.get(tag & ~0x20);
    return type ? readKnown(type, rest.octets(tag & ~0x20)) : readOther(tag, rest);
  } catch (error) {
    if (error instanceof DerError || error instanceof PkiError) return { type: 'unknown', value: hexOf(raw) };
    throw error;
  }
}

function readKnown(type: SanType, content: Buffer): SubjectAltName | OtherAltName {
  switch (type) {
    case 'ip':
      return readIp(content);
    case 'registeredId':
      return { type, value: decodeOid(content) };
    case 'dns':
      // Latin-1 would yield another domain; invalid UTF-8 names no domain.
      return { type, value: content.toString('utf8').replaceAll('\0', '\ufffd').toLowerCase() };
    default:
      return { type, value: decodeOctets(content).replaceAll('\0', '\ufffd') };
  }
}

function readIp(content: Buffer): SubjectAltName | OtherAltName {
  const half = content.length / 2;
  const address = formatIp(content);
  if (address !== undefined) return { type: 'ip', value: address };
  const [network, mask] = [formatIp(content.subarray(0, half)), formatIp(content.subarray(half))];
  if (network === undefined || mask === undefined) return { type: 'unknown', value: hexOf(content) };
  const bits = /^(1*)0*$/.exec([...content.subarray(half)].map((octet) => octet.toString(2).padStart(8, '0')).join(''));
  return { type: 'ipNetwork', value: `${network}/${bits?.[1]?.length ?? mask}` };
}

const OTHERS: ReadonlyMap<number, OtherAltName['type']> = new Map([
  [0xa0, 'otherName'],
  [0xa3, 'x400Address'],
  [0xa4, 'directoryName'],
  [0xa5, 'ediPartyName'],
]);

/** An otherName in OpenSSL's configuration syntax, e.g. `1.3.6.1.4.1.311.20.2.3;UTF8:joe@example.com`. */
function readOther(tag: number, reader: DerReader): OtherAltName {
  const type = OTHERS.get(tag) ?? 'unknown';
  if (type === 'directoryName') return { type, value: formatDn(reader.enter(tag).raw()) };
  if (type !== 'otherName') return { type, value: hexOf(reader.raw()) };
  const other = reader.enter(tag);
  const oid = other.oid();
  const value = other.enter(0xa0).raw();
  const text = readText(value);
  return { type, value: text === undefined ? `${oid};DER:${value.toString('hex')}` : `${oid};UTF8:${text}` };
}

function hexOf(raw: Buffer): string {
  return `#${raw.toString('hex')}`;
}

/** GeneralNames in the given order, without repetitions. Throws PkiError `bad-name`. */
export function encodeSan(names: readonly SubjectAltName[]): Buffer {
  const distinct = new Map(names.map((name) => normaliseSan(name)).map((name) => [`${name.type}:${name.value}`, name]));
  return der.sequence(...[...distinct.values()].map(encodeName));
}

function encodeName({ type, value }: SubjectAltName): Buffer {
  if (type === 'registeredId') return der.implicit(TAGS.registeredId, DerReader.over(der.oid(value)).content());
  return der.implicit(TAGS[type], type === 'ip' ? ipOctets(value) : Buffer.from(value, 'latin1'));
}

/** The normalised name: DNS in lower case and punycode, IP as in RFC 5952. Throws PkiError `bad-name`. */
export function normaliseSan({ type, value }: SubjectAltName): SubjectAltName {
  return { type, value: NORMALISERS[type](value) };
}

/** As `normaliseSan`, for a name that no certificate has yet: its A-labels must be sound. Throws PkiError. */
export function normaliseNewSan(name: SubjectAltName): SubjectAltName {
  const normalised = normaliseSan(name);
  if (name.type === 'dns' && !hasSoundALabels(normalised.value))
    throw badName('a DNS name: a label with xn-- is not punycode (RFC 5890 §2.3.2.1)', name.value);
  return normalised;
}

/** Whether each label with `xn--` is the punycode of a normalised label (RFC 5890 §2.3.2.1). */
export function hasSoundALabels(dnsName: string): boolean {
  if (!/xn--/i.test(dnsName)) return true;
  const host = dnsName.replace(/^\*\./, '').toLowerCase();
  const unicode = domainToUnicode(host);
  // For a label that is no punycode, Node.js 20 returns nothing, and later ones the label as it is.
  const isDecoded = unicode !== '' && !/(^|\.)xn--/.test(unicode);
  return isDecoded && unicode.normalize('NFC') === unicode && domainToASCII(unicode) === host;
}

const NORMALISERS: Readonly<Record<SanType, (value: string) => string>> = {
  dns: normaliseDnsName,
  ip: (value) => formatIp(ipOctets(value)) ?? '',
  email: normaliseEmail,
  uri: checkUri,
  registeredId: checkOid,
};

function badName(what: string, value: string): PkiError {
  return new PkiError('bad-name', `"${value.slice(0, 100)}" is not ${what}`);
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * A host name (RFC 1034 §3.5) in lower case and punycode; `*` only as the whole first label. Throws PkiError
 * `bad-name`.
 */
export function normaliseDnsName(value: string): string {
  const wildcard = value.startsWith('*.');
  const host = toAscii(wildcard ? value.slice(2) : value);
  const labels = host.split('.');
  const length = host.length + (wildcard ? 2 : 0);
  // URL parsers read a name that ends in a number as an address.
  if (length > 253 || !labels.every((label) => LABEL.test(label)) || /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    throw badName('a DNS name', value);
  }
  return wildcard ? `*.${host}` : host;
}

function toAscii(host: string): string {
  // domainToASCII also accepts addresses and percent signs, which are invalid here.
  return /^[a-z0-9.-]*$/i.test(host)
    ? host.toLowerCase()
    : /[%/?#@:[\]\\\s]/.test(host)
      ? ''
      : domainToASCII(host.slice(0, 1000));
}

/** The 4 or 16 octets of an IP address. Throws PkiError `bad-name`. */
export function ipOctets(value: string): Buffer {
  if (isIP(value) === 0 || value.includes('%')) throw badName('an IP address', value);
  if (isIPv4(value)) return Buffer.from(value.split('.').map(Number));
  const [head = '', tail] = value.split('::');
  const before = octetsOf(head);
  const after = octetsOf(tail ?? '');
  return Buffer.from([...before, ...Array<number>(16 - before.length - after.length).fill(0), ...after]);
}

function octetsOf(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const word = parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}

/** RFC 5952 text of 4 or 16 octets; undefined for any other length. */
export function formatIp(octets: Buffer): string | undefined {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(i * 2).toString(16));
  const { from, length } = longestZeroRun(groups);
  return length < 2 ? groups.join(':') : `${groups.slice(0, from).join(':')}::${groups.slice(from + length).join(':')}`;
}

function longestZeroRun(groups: readonly string[]): { from: number; length: number } {
  let best = { from: 0, length: 0 };
  for (let from = 0, at = 0; at < groups.length; at++) {
    if (groups[at] !== '0') from = at + 1;
    if (at + 1 - from > best.length) best = { from, length: at + 1 - from };
  }
  return best;
}

function normaliseEmail(value: string): string {
  const at = value.lastIndexOf('@');
  const local = value.slice(0, Math.max(at, 0));
  const isLocal = local.length <= 64 && /^[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*$/.test(local);
  const domain = value.slice(at + 1);
  if (!isLocal || domain.startsWith('*')) throw badName('an e-mail address', value);
  return `${local}@${normaliseDnsName(domain)}`;
}

/**
 * RFC 3986 §2 forbids backslashes in URIs. Clients that accept one disagree on the host: browsers end it there, others
 * read on to the `@`.
 */
function checkUri(value: string): string {
  if (value.length > 2048 || !/^[a-z][a-z0-9+.-]*:[\x21-\x5b\x5d-\x7e]+$/i.test(value) || !URL.canParse(value))
    throw badName('an absolute URI', value);
  return value;
}

function checkOid(value: string): string {
  return orPkiError('bad-name', `"${value.slice(0, 100)}" is not an object identifier`, () => {
    der.oid(value);
    return value;
  });
}
