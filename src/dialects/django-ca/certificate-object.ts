import { hash } from 'node:crypto';
import { parseCertificate, type ParsedCertificate } from '../../pki/certificate.js';
import { DerError, DerReader } from '../../pki/der/reader.js';
import { ExtensionOid, KEY_USAGES } from '../../pki/extensions.js';
import { serviceUrls } from '../../pki/extension-reader.js';
import { readName } from '../../pki/names.js';
import { PkiError } from '../../pki/pki-error.js';
import type { RawExtension } from '../../plugin-api/terms.js';
import { generalName, usageName } from './names.js';

/** One attribute of a distinguished name. */
export interface NameAttribute {
  oid: string;
  value: string;
}

/** An extension; the form of `value` depends on `type`. */
export interface ExtensionObject {
  type: string;
  critical: boolean;
  value: unknown;
}

/** The member `certificate`, which holds what is in the certificate itself since version 2.4 of django-ca. */
export interface CertificateObject {
  /** Upper case without leading zeros. */
  serial: string;
  /** 0 for v1, 2 for v3, as in the certificate. */
  version: number;
  not_valid_before: string;
  not_valid_after: string;
  issuer: NameAttribute[];
  subject: NameAttribute[];
  signature_hash_algorithm: string | null;
  signature_algorithm_oid: string;
  public_key_algorithm_oid: string;
  extensions: ExtensionObject[];
  pem: string;
}

/** A certificate in both generations of the contract: before 2.4 its members stood beside the others. */
export interface CertificateMembers {
  serial: string;
  pem: string;
  not_before: string;
  not_after: string;
  subject: NameAttribute[];
  issuer: NameAttribute[];
  fingerprints: Readonly<Record<string, string>>;
  certificate: CertificateObject;
}

/** What is known of a certificate without reading it. */
export interface StoredFacts {
  serialHex: string;
  notBefore: Date;
  notAfter: Date;
}

/** `…Z`, in seconds. */
export function time(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** What a certificate of this PEM shows. One that cannot be read shows what is stored of it. */
export function certificateMembers(pem: string, stored: StoredFacts): CertificateMembers {
  const parsed = readable(pem);
  const object = parsed ? objectOf(parsed, pem) : emptyObject(pem, stored);
  return {
    serial: object.serial,
    pem,
    not_before: object.not_valid_before,
    not_after: object.not_valid_after,
    subject: object.subject,
    issuer: object.issuer,
    fingerprints: parsed ? { 'SHA-256': digest('sha256', parsed), 'SHA-512': digest('sha512', parsed) } : {},
    certificate: object,
  };
}

function readable(pem: string): ParsedCertificate | null {
  try {
    return parseCertificate(pem);
  } catch (error) {
    if (error instanceof PkiError) return null;
    throw error;
  }
}

function digest(algorithm: string, { der }: ParsedCertificate): string {
  return hash(algorithm, der, 'hex')
    .toUpperCase()
    .replace(/..(?=.)/g, '$&:');
}

function emptyObject(pem: string, { serialHex, notBefore, notAfter }: StoredFacts): CertificateObject {
  return {
    serial: serialHex,
    version: 2,
    not_valid_before: time(notBefore),
    not_valid_after: time(notAfter),
    issuer: [],
    subject: [],
    signature_hash_algorithm: null,
    signature_algorithm_oid: '',
    public_key_algorithm_oid: '',
    extensions: [],
    pem,
  };
}

function objectOf(certificate: ParsedCertificate, pem: string): CertificateObject {
  const { serialHex, notBefore, notAfter, issuerDer, subjectDer, algorithmDer, spkiDer, extensions } = certificate;
  return {
    serial: serialHex,
    version: extensions.length > 0 ? 2 : 0,
    not_valid_before: time(notBefore),
    not_valid_after: time(notAfter),
    issuer: attributesOf(issuerDer),
    subject: attributesOf(subjectDer),
    signature_hash_algorithm: hashName(certificate.signatureAlgorithm),
    signature_algorithm_oid: algorithmOid(algorithmDer),
    public_key_algorithm_oid: algorithmOid(spkiDer, true),
    extensions: extensions.map((extension) => extensionOf(extension, certificate)),
    pem,
  };
}

function attributesOf(nameDer: Buffer): NameAttribute[] {
  return readName(nameDer)
    .flat()
    .map(({ oid, text }) => ({ oid, value: text }));
}

/** `sha256` → `SHA-256`; null for Ed25519 and what has no hash of its own. */
function hashName(algorithm: string): string | null {
  const [, bits] = /^sha(\d+)$/.exec(algorithm) ?? [];
  return bits === undefined ? null : `SHA-${bits}`;
}

/** Of an AlgorithmIdentifier, or of what begins with one; empty when it cannot be read. */
function algorithmOid(outer: Buffer, isInside = false): string {
  try {
    const algorithm = DerReader.over(outer, 'ber').enter();
    return (isInside ? algorithm.enter() : algorithm).oid();
  } catch (error) {
    if (error instanceof DerError) return '';
    throw error;
  }
}

type Show = (certificate: ParsedCertificate) => unknown;

const uri = (value: string): unknown => ({ type: 'URI', value });

/** The extensions that are shown by content, by their OIDs. */
const shown: Readonly<Record<string, readonly [type: string, show: Show]>> = {
  [ExtensionOid.subjectAltName]: [
    'subject_alternative_name',
    ({ subjectAltNames, otherAltNames }) => [...subjectAltNames, ...otherAltNames].map(generalName),
  ],
  [ExtensionOid.keyUsage]: [
    'key_usage',
    ({ keyUsage }) => KEY_USAGES.filter((usage) => keyUsage.includes(usage)).map(usageName),
  ],
  [ExtensionOid.extendedKeyUsage]: ['extended_key_usage', ({ extendedKeyUsage }) => extendedKeyUsage],
  [ExtensionOid.basicConstraints]: [
    'basic_constraints',
    ({ isCa, pathLength = null }) => ({ ca: isCa, path_length: pathLength }),
  ],
  [ExtensionOid.subjectKeyIdentifier]: [
    'subject_key_identifier',
    ({ subjectKeyIdentifier }) => base64OfHex(subjectKeyIdentifier),
  ],
  [ExtensionOid.authorityKeyIdentifier]: [
    'authority_key_identifier',
    ({ authorityKeyIdentifier }) => ({
      key_identifier: base64OfHex(authorityKeyIdentifier),
      authority_cert_issuer: null,
      authority_cert_serial_number: null,
    }),
  ],
  [ExtensionOid.authorityInfoAccess]: [
    'authority_information_access',
    ({ extensions }) => {
      const { ocsp, caIssuers } = serviceUrls(extensions);
      return [
        ...ocsp.map((url) => ({ access_method: '1.3.6.1.5.5.7.48.1', access_location: uri(url) })),
        ...caIssuers.map((url) => ({ access_method: '1.3.6.1.5.5.7.48.2', access_location: uri(url) })),
      ];
    },
  ],
  [ExtensionOid.crlDistributionPoints]: [
    'crl_distribution_points',
    ({ extensions }) =>
      serviceUrls(extensions).crl.map((url) => ({
        full_name: [uri(url)],
        relative_name: null,
        crl_issuer: null,
        reasons: null,
      })),
  ],
};

/** One that is not shown by content, or cannot be read, is shown in DER (base64). */
function extensionOf({ oid, critical, valueDer }: RawExtension, certificate: ParsedCertificate): ExtensionObject {
  const [type, show] = shown[oid] ?? [];
  if (type !== undefined && show !== undefined && !certificate.unreadableExtensions.includes(oid))
    return { type, critical, value: show(certificate) };
  return { type: 'unrecognized_extension', critical, value: { oid, value: valueDer.toString('base64') } };
}

function base64OfHex(hex: string | undefined): string | null {
  return hex === undefined ? null : Buffer.from(hex, 'hex').toString('base64');
}
