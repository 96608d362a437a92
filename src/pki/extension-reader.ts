import type { KeyUsage, RawExtension, SubjectAltName } from '../plugin-api/plugin.js';
import { DerError, DerReader, Tag } from './der/reader.js';
import { ExtensionOid, KEY_USAGES } from './extensions.js';
import { parseSan } from './subject-alt-name.js';

/** What the usual extensions of a certificate or request say; absent ones are empty or undefined. */
export interface ExtensionFacts {
  subjectAltNames: SubjectAltName[];
  /** How many SANs are of a kind that is not understood (otherName, directoryName, …). */
  otherAltNames: number;
  keyUsage: KeyUsage[];
  /** OIDs in dotted form. */
  extendedKeyUsage: string[];
  isCa: boolean;
  pathLength?: number;
  /** Key identifiers, lower hex. */
  subjectKeyIdentifier?: string;
  authorityKeyIdentifier?: string;
}

/** Reads the members of Extensions. Throws DerError, also when one OID stands twice. */
export function readExtensions(reader: DerReader): RawExtension[] {
  const extensions: RawExtension[] = [];
  while (reader.more) {
    const member = reader.enter();
    const oid = member.oid();
    const critical = member.peek() === Tag.boolean ? member.boolean() : false;
    const valueDer = member.octetString();
    member.end();
    if (extensions.some((other) => other.oid === oid)) throw new DerError('An extension stands twice');
    extensions.push({ oid, critical, valueDer });
  }
  return extensions;
}

/** Reads those that are understood here. Throws DerError when one is malformed. */
export function extensionFacts(extensions: readonly RawExtension[]): ExtensionFacts {
  const facts: ExtensionFacts = {
    subjectAltNames: [],
    otherAltNames: 0,
    keyUsage: [],
    extendedKeyUsage: [],
    isCa: false,
  };
  for (const { oid, valueDer } of extensions) READERS.get(oid)?.(facts, valueDer);
  return facts;
}

const READERS: ReadonlyMap<string, (facts: ExtensionFacts, valueDer: Buffer) => void> = new Map([
  [
    ExtensionOid.subjectAltName,
    (facts, valueDer) => {
      const { names, others } = parseSan(valueDer);
      facts.subjectAltNames = names;
      facts.otherAltNames = others;
    },
  ],
  [
    ExtensionOid.keyUsage,
    (facts, valueDer) => {
      const bits = DerReader.over(valueDer).namedBits();
      facts.keyUsage = KEY_USAGES.filter((_, bit) => bits.includes(bit));
    },
  ],
  [
    ExtensionOid.extendedKeyUsage,
    (facts, valueDer) => {
      for (const reader = DerReader.enter(valueDer); reader.more;) facts.extendedKeyUsage.push(reader.oid());
    },
  ],
  [
    ExtensionOid.basicConstraints,
    (facts, valueDer) => {
      const reader = DerReader.enter(valueDer);
      facts.isCa = reader.peek() === Tag.boolean && reader.boolean();
      if (reader.more) facts.pathLength = reader.smallInteger();
      reader.end();
    },
  ],
  [
    ExtensionOid.subjectKeyIdentifier,
    (facts, valueDer) => {
      facts.subjectKeyIdentifier = DerReader.over(valueDer).octetString().toString('hex');
    },
  ],
  [
    ExtensionOid.authorityKeyIdentifier,
    (facts, valueDer) => {
      const reader = DerReader.enter(valueDer);
      if (reader.peek() === 0x80) facts.authorityKeyIdentifier = reader.content().toString('hex');
    },
  ],
]);

/** Where a certificate says its issuer, its OCSP responder and its CRLs are; URIs only, in order. */
export interface ServiceUrls {
  caIssuers: string[];
  ocsp: string[];
  crl: string[];
}

/**
 * Reads Authority Information Access and CRL Distribution Points (RFC 5280 §4.2.2.1 and §4.2.1.13). Throws DerError.
 */
export function serviceUrls(extensions: readonly RawExtension[]): ServiceUrls {
  const urls: ServiceUrls = { caIssuers: [], ocsp: [], crl: [] };
  for (const { oid, valueDer } of extensions) {
    if (oid === ExtensionOid.authorityInfoAccess) readInfoAccess(valueDer, urls);
    if (oid === ExtensionOid.crlDistributionPoints) readDistributionPoints(valueDer, urls);
  }
  return urls;
}

function readInfoAccess(valueDer: Buffer, urls: ServiceUrls): void {
  for (const reader = DerReader.enter(valueDer); reader.more;) {
    const access = reader.enter();
    const method = access.oid();
    const found = uris(access);
    if (method === '1.3.6.1.5.5.7.48.1') urls.ocsp.push(...found);
    if (method === '1.3.6.1.5.5.7.48.2') urls.caIssuers.push(...found);
  }
}

function readDistributionPoints(valueDer: Buffer, urls: ServiceUrls): void {
  for (const reader = DerReader.enter(valueDer); reader.more;) {
    const fullName = reader.enter().enterIf(0xa0)?.enterIf(0xa0);
    if (fullName) urls.crl.push(...uris(fullName));
  }
}

function uris(names: DerReader): string[] {
  const found: string[] = [];
  while (names.more) {
    const isUri = names.peek() === 0x86;
    const content = names.content();
    if (isUri) found.push(content.toString('latin1'));
  }
  return found;
}
