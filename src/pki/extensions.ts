import type { KeyUsage, RawExtension, SubjectAltName } from '../plugin-api/terms.js';
import * as der from './der/writer.js';
import { orPkiError, PkiError } from './pki-error.js';
import { encodeSan } from './subject-alt-name.js';

/** OIDs of the extensions that are written or read here. */
export const ExtensionOid = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  noRevAvail: '2.5.29.56',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
} as const;

/** RFC 5280 §4.2.1.3 names; the index is the bit. */
export const KEY_USAGES: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

/** Purposes of RFC 5280 §4.2.1.12 and a few others by name, with their OIDs. */
export const EXTENDED_KEY_USAGES: Readonly<Record<string, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  eapOverPpp: '1.3.6.1.5.5.7.3.13',
  eapOverLan: '1.3.6.1.5.5.7.3.14',
  ipsecIke: '1.3.6.1.5.5.7.3.17',
  documentSigning: '1.3.6.1.5.5.7.3.36',
  smartCardLogon: '1.3.6.1.4.1.311.20.2.2',
  any: '2.5.29.37.0',
};
const EXTENDED_KEY_USAGE_NAMES = new Map(Object.entries(EXTENDED_KEY_USAGES).map(([name, oid]) => [oid, name]));

/** The dotted OID of a purpose, given by name or as OID. Throws PkiError `bad-extension`. */
export function extendedKeyUsageOid(nameOrOid: string): string {
  const oid = Object.hasOwn(EXTENDED_KEY_USAGES, nameOrOid) ? EXTENDED_KEY_USAGES[nameOrOid] : nameOrOid;
  encodeOid(oid ?? nameOrOid);
  return oid ?? nameOrOid;
}

/** The name of a purpose, or the OID itself. */
export function extendedKeyUsageName(oid: string): string {
  return EXTENDED_KEY_USAGE_NAMES.get(oid) ?? oid;
}

function encodeOid(dotted: string): Buffer {
  return orPkiError('bad-extension', `"${dotted.slice(0, 100)}" is not an object identifier`, () => der.oid(dotted));
}

/**
 * Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }. Throws PkiError `bad-extension` for an invalid
 * OID.
 */
export function encodeExtension({ oid, critical, valueDer }: RawExtension): Buffer {
  const value = der.octetString(valueDer);
  return critical ? der.sequence(encodeOid(oid), der.boolean(true), value) : der.sequence(encodeOid(oid), value);
}

/** Extensions ::= SEQUENCE OF Extension. Throws PkiError `bad-extension` for a repeated OID (RFC 5280 §4.2). */
export function encodeExtensions(extensions: readonly RawExtension[]): Buffer {
  checkDistinct(extensions.map(({ oid }) => oid));
  return der.sequence(...extensions.map(encodeExtension));
}

/** Throws PkiError `bad-extension` for a repeated OID (RFC 5280 §4.2). */
export function checkDistinct(oids: readonly string[]): void {
  const repeated = oids.find((oid, at) => oids.indexOf(oid) !== at);
  if (repeated !== undefined) throw new PkiError('bad-extension', `The extension ${repeated} is repeated`);
}

const extension = (oid: string, critical: boolean, valueDer: Buffer): RawExtension => ({ oid, critical, valueDer });

/** RFC 5280 §4.2.1.9, critical. Writes `pathLength` for a CA only. */
export function basicConstraints(ca: boolean, pathLength?: number): RawExtension {
  const members = ca ? [der.boolean(true), ...(pathLength === undefined ? [] : [der.integer(pathLength)])] : [];
  return extension(ExtensionOid.basicConstraints, true, der.sequence(...members));
}

/** RFC 5280 §4.2.1.3, critical. Give at least one usage. */
export function keyUsage(usages: readonly KeyUsage[]): RawExtension {
  return extension(ExtensionOid.keyUsage, true, der.namedBits(usages.map((usage) => KEY_USAGES.indexOf(usage))));
}

/**
 * RFC 5280 §4.2.1.12, not critical, each purpose once. Give at least one dotted OID. Throws PkiError `bad-extension`.
 */
export function extendedKeyUsage(oids: readonly string[]): RawExtension {
  return extension(ExtensionOid.extendedKeyUsage, false, der.sequence(...[...new Set(oids)].map(encodeOid)));
}

/** RFC 5280 §4.2.1.2. */
export function subjectKeyIdentifier(keyIdentifier: Buffer): RawExtension {
  return extension(ExtensionOid.subjectKeyIdentifier, false, der.octetString(keyIdentifier));
}

/** RFC 5280 §4.2.1.1, by key identifier. */
export function authorityKeyIdentifier(keyIdentifier: Buffer): RawExtension {
  return extension(ExtensionOid.authorityKeyIdentifier, false, der.sequence(der.implicit(0, keyIdentifier)));
}

/** RFC 5280 §4.2.1.6. Set `critical` if and only if the subject is empty. Throws PkiError `bad-name`. */
export function subjectAltName(names: readonly SubjectAltName[], critical: boolean): RawExtension {
  return extension(ExtensionOid.subjectAltName, critical, encodeSan(names));
}

/** RFC 5280 §4.2.1.13: one distribution point with the same CRL at each of `urls`. Throws PkiError `bad-extension`. */
export function crlDistributionPoints(urls: readonly string[]): RawExtension {
  const fullName = der.explicit(0, der.explicit(0, ...generalNamesOf(urls)));
  return extension(ExtensionOid.crlDistributionPoints, false, der.sequence(der.sequence(fullName)));
}

/** RFC 5280 §4.2.2.1. */
export function authorityInfoAccess({
  ocsp = [],
  caIssuers = [],
}: {
  ocsp?: readonly string[];
  caIssuers?: readonly string[];
}): RawExtension {
  const access = (method: string) => (url: string) => der.sequence(der.oid(method), encodeUrl(url));
  return extension(
    ExtensionOid.authorityInfoAccess,
    false,
    der.sequence(...ocsp.map(access('1.3.6.1.5.5.7.48.1')), ...caIssuers.map(access('1.3.6.1.5.5.7.48.2'))),
  );
}

/** URLs as GeneralName. Throws PkiError `bad-extension`. */
export function generalNamesOf(urls: readonly string[]): Buffer[] {
  return urls.map(encodeUrl);
}

function encodeUrl(url: string): Buffer {
  if (!/^[\x21-\x7e]+$/.test(url)) throw new PkiError('bad-extension', `"${url.slice(0, 100)}" is not a URL in ASCII`);
  return der.implicit(6, Buffer.from(url, 'latin1'));
}

/** RFC 5280 §4.2.1.4, each policy once, without qualifiers. Throws PkiError `bad-extension`. */
export function certificatePolicies(oids: readonly string[]): RawExtension {
  return extension(
    ExtensionOid.certificatePolicies,
    false,
    der.sequence(...[...new Set(oids)].map((oid) => der.sequence(encodeOid(oid)))),
  );
}

/** RFC 9608 §2: no revocation information is published for this certificate. */
export function noRevAvail(): RawExtension {
  return extension(ExtensionOid.noRevAvail, false, der.nullValue());
}

/** RFC 6960 §4.2.2.2.1: the certificate of an OCSP responder is trusted without a check of its revocation. */
export function ocspNoCheck(): RawExtension {
  return extension(ExtensionOid.ocspNoCheck, false, der.nullValue());
}
