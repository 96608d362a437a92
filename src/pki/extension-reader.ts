import type { KeyUsage, RawExtension, SubjectAltName } from '../plugin-api/terms.js';
import { DerError, DerReader, type Rules, Tag } from './der/reader.js';
import { ExtensionOid, KEY_USAGES } from './extensions.js';
import { isIssuable, type OtherAltName, readAltName } from './subject-alt-name.js';

/** The content of the common extensions of a certificate or request; absent ones are empty or undefined. */
export interface ExtensionFacts {
  subjectAltNames: SubjectAltName[];
  /** Names of types that are not issued here, in order. */
  otherAltNames: OtherAltName[];
  keyUsage: KeyUsage[];
  /** OIDs in dotted form. */
  extendedKeyUsage: string[];
  isCa: boolean;
  pathLength?: number;
  /** Key identifiers, lower hex. */
  subjectKeyIdentifier?: string;
  authorityKeyIdentifier?: string;
  /** OIDs of known extensions with a malformed value. */
  unreadableExtensions: string[];
}

/** Reads the members of Extensions. Throws DerError; in DER also for a repeated OID. */
export function readExtensions(reader: DerReader, rules: Rules = 'der'): RawExtension[] {
  const extensions: RawExtension[] = [];
  while (reader.more) {
    const member = reader.enter();
    const oid = member.oid();
    const critical = member.peek() === Tag.boolean ? member.boolean() : false;
    const valueDer = member.octetString();
    member.end();
    if (rules === 'der' && extensions.some((other) => other.oid === oid))
      throw new DerError('An extension is repeated');
    extensions.push({ oid, critical, valueDer });
  }
  return extensions;
}

/**
 * Reads the known extensions. Throws DerError for a malformed one in DER; in BER lists it in `unreadableExtensions` and
 * keeps the readable part.
 */
export function extensionFacts(extensions: readonly RawExtension[], rules: Rules = 'der'): ExtensionFacts {
  const facts: ExtensionFacts = {
    subjectAltNames: [],
    otherAltNames: [],
    keyUsage: [],
    extendedKeyUsage: [],
    isCa: false,
    unreadableExtensions: [],
  };
  for (const { oid, valueDer } of extensions) {
    try {
      READERS.get(oid)?.(facts, DerReader.over(valueDer, rules));
    } catch (error) {
      if (rules === 'der') throw error;
      facts.unreadableExtensions.push(oid);
    }
  }
  return facts;
}

const READERS: ReadonlyMap<string, (facts: ExtensionFacts, value: DerReader) => void> = new Map([
  [
    ExtensionOid.subjectAltName,
    (facts, value) => {
      for (const reader = whole(value); reader.more;) {
        const name = readAltName(reader);
        if (isIssuable(name)) facts.subjectAltNames.push(name);
        else facts.otherAltNames.push(name);
      }
    },
  ],
  [
    ExtensionOid.keyUsage,
    (facts, value) => {
      const bits = value.namedBits();
      facts.keyUsage = KEY_USAGES.filter((_, bit) => bits.includes(bit));
    },
  ],
  [
    ExtensionOid.extendedKeyUsage,
    (facts, value) => {
      for (const reader = whole(value); reader.more;) facts.extendedKeyUsage.push(reader.oid());
    },
  ],
  [
    ExtensionOid.basicConstraints,
    (facts, value) => {
      const reader = whole(value);
      facts.isCa = reader.peek() === Tag.boolean && reader.boolean();
      if (reader.more) facts.pathLength = reader.smallInteger();
      reader.end();
    },
  ],
  [
    ExtensionOid.subjectKeyIdentifier,
    (facts, value) => {
      facts.subjectKeyIdentifier = value.octetString().toString('hex');
    },
  ],
  [
    ExtensionOid.authorityKeyIdentifier,
    (facts, value) => {
      const reader = whole(value);
      if (reader.peek() === 0x80) facts.authorityKeyIdentifier = reader.content().toString('hex');
    },
  ],
]);

/** The single sequence in the value. */
function whole(value: DerReader): DerReader {
  const inner = value.enter();
  value.end();
  return inner;
}

/** URLs of the issuer certificate, the OCSP responder and the CRLs; URIs only, in order. */
export interface ServiceUrls {
  caIssuers: string[];
  ocsp: string[];
  crl: string[];
}

/**
 * Reads Authority Information Access and CRL Distribution Points (RFC 5280 §4.2.2.1, §4.2.1.13). Reads a malformed
 * extension up to the fault.
 */
export function serviceUrls(extensions: readonly RawExtension[]): ServiceUrls {
  const urls: ServiceUrls = { caIssuers: [], ocsp: [], crl: [] };
  for (const { oid, valueDer } of extensions) {
    try {
      if (oid === ExtensionOid.authorityInfoAccess) readInfoAccess(DerReader.over(valueDer, 'ber'), urls);
      if (oid === ExtensionOid.crlDistributionPoints) readDistributionPoints(DerReader.over(valueDer, 'ber'), urls);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
    }
  }
  return urls;
}

function readInfoAccess(value: DerReader, urls: ServiceUrls): void {
  for (const reader = value.enter(); reader.more;) {
    const access = reader.enter();
    const method = access.oid();
    const found = uris(access);
    if (method === '1.3.6.1.5.5.7.48.1') urls.ocsp.push(...found);
    if (method === '1.3.6.1.5.5.7.48.2') urls.caIssuers.push(...found);
  }
}

function readDistributionPoints(value: DerReader, urls: ServiceUrls): void {
  for (const reader = value.enter(); reader.more;) {
    const fullName = reader.enter().enterIf(0xa0)?.enterIf(0xa0);
    if (fullName) urls.crl.push(...uris(fullName));
  }
}

function uris(names: DerReader): string[] {
  const found: string[] = [];
  while (names.more) {
    const { type, value } = readAltName(names);
    if (type === 'uri') found.push(value);
  }
  return found;
}
