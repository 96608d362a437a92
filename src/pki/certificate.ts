import { hash } from 'node:crypto';
import type { RawExtension, SubjectFields } from '../plugin-api/terms.js';
import { DerError, DerReader, type Rules, Tag } from './der/reader.js';
import { type ExtensionFacts, extensionFacts, readExtensions } from './extension-reader.js';
import { keyFactsOf, publicKeyOf } from './key.js';
import type { KeyFacts } from './key-names.js';
import { fieldsOf, formatName, readName, sameName } from './names.js';
import { CERTIFICATE_LABELS, parsePem } from './pem.js';
import { PkiError } from './pki-error.js';
import { serialHexOf, serialOfInteger } from './serial.js';
import { signatureAlgorithmName, verifySignature } from './sign.js';

/** A certificate split into its parts, none of which is read yet. Buffers are views of `der`. */
export interface CertificateParts {
  der: Buffer;
  tbsDer: Buffer;
  algorithmDer: Buffer;
  signature: Buffer;
  /** The content of the INTEGER, two's complement. */
  serial: Buffer;
  /** False when the two AlgorithmIdentifiers differ: every verifier rejects such a signature. */
  algorithmsAgree: boolean;
  issuerDer: Buffer;
  validityDer: Buffer;
  subjectDer: Buffer;
  spkiDer: Buffer;
  extensions: RawExtension[];
}

/** A parsed certificate. */
export interface ParsedCertificate extends CertificateParts, ExtensionFacts, KeyFacts {
  /** Upper case without leading zeros; with a leading `-` for a negative serial number, e.g. `-5`. */
  serialHex: string;
  serialDecimal: string;
  /** RFC 4514 text. */
  issuer: string;
  subject: string;
  issuerFields: SubjectFields;
  subjectFields: SubjectFields;
  notBefore: Date;
  notAfter: Date;
  /** The hash, e.g. `sha256`, or an algorithm without a separate hash, e.g. `ed25519`; a dotted OID when unknown. */
  signatureAlgorithm: string;
  /** SHA-256 of `der`, lower hex. */
  fingerprintSha256: string;
}

const MAX_CERTIFICATE_BYTES = 1024 * 1024;

/**
 * Parses one certificate: DER, or PEM text with exactly one block. Accepts what OpenSSL accepts: BER, any serial
 * number, name, key and date. Ignores octets after the certificate. Throws PkiError `malformed-certificate` or
 * `malformed-pem`.
 */
export function parseCertificate(derOrPem: Buffer | string): ParsedCertificate {
  const ber = typeof derOrPem === 'string' ? certificateDer(derOrPem) : derOrPem;
  if (ber.length > MAX_CERTIFICATE_BYTES) throw new PkiError('malformed-certificate', 'The certificate is too large');
  try {
    return readCertificate(DerReader.over(ber, 'ber').raw(Tag.sequence));
  } catch (error) {
    const detail = error instanceof PkiError || error instanceof DerError ? `: ${error.message}` : '';
    throw new PkiError('malformed-certificate', `The certificate is not readable${detail}`, { cause: error });
  }
}

/** The DER of the one certificate in PEM text. Throws PkiError `malformed-certificate` or `malformed-pem`. */
export function certificateDer(pem: string): Buffer {
  const [der, ...others] = parsePem(pem, ...CERTIFICATE_LABELS);
  if (!der || others.length > 0) throw new PkiError('malformed-certificate', 'Exactly one certificate is needed');
  return der;
}

function readCertificate(der: Buffer): ParsedCertificate {
  const parts = splitCertificate(der, 'ber');
  const { issuerDer, subjectDer, extensions } = parts;
  const validity = DerReader.enter(parts.validityDer, Tag.sequence, 'ber');
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.end();
  return {
    notBefore,
    notAfter,
    signatureAlgorithm: signatureAlgorithmName(parts.algorithmDer),
    fingerprintSha256: hash('sha256', der, 'hex'),
    ...parts,
    ...serialTexts(parts.serial),
    ...issuerAndSubject(issuerDer, subjectDer),
    ...keyFactsOf(parts.spkiDer),
    ...extensionFacts(extensions, 'ber'),
  };
}

/** Splits a certificate without reading the values of its parts. Throws DerError. */
export function splitCertificate(der: Buffer, rules: Rules = 'der'): CertificateParts {
  const outer = DerReader.enter(der, Tag.sequence, rules);
  const tbsDer = outer.raw(Tag.sequence);
  const algorithmDer = outer.raw(Tag.sequence);
  const signature = outer.bitString().bytes;
  outer.end();
  const tbs = DerReader.enter(tbsDer, Tag.sequence, rules);
  tbs.enterIf(0xa0)?.integer();
  const serial = tbs.integer();
  // RFC 5280 §4.1.1.2: the algorithm appears twice, and only this copy is signed.
  const algorithmsAgree = tbs.raw(Tag.sequence).equals(algorithmDer);
  const issuerDer = tbs.raw(Tag.sequence);
  const validityDer = tbs.raw(Tag.sequence);
  const subjectDer = tbs.raw(Tag.sequence);
  const spkiDer = tbs.raw(Tag.sequence);
  const extensions = readTail(tbs, rules);
  return {
    der,
    tbsDer,
    algorithmDer,
    signature,
    serial,
    algorithmsAgree,
    issuerDer,
    validityDer,
    subjectDer,
    spkiDer,
    extensions,
  };
}

function readTail(tbs: DerReader, rules: Rules): RawExtension[] {
  for (const uniqueId of [0x81, 0x82]) if (((tbs.peek() ?? 0) & ~0x20) === uniqueId) tbs.next();
  const wrapper = tbs.enterIf(0xa3);
  const extensions = wrapper ? readExtensions(wrapper.enter(), rules) : [];
  wrapper?.end();
  tbs.end();
  return extensions;
}

function issuerAndSubject(issuerDer: Buffer, subjectDer: Buffer) {
  const issuer = readName(issuerDer);
  const subject = subjectDer.equals(issuerDer) ? issuer : readName(subjectDer);
  return {
    issuer: formatName(issuer),
    subject: formatName(subject),
    issuerFields: fieldsOf(issuer),
    subjectFields: fieldsOf(subject),
  };
}

function serialTexts(twosComplement: Buffer): { serialHex: string; serialDecimal: string } {
  const serial = serialOfInteger(twosComplement);
  return { serialHex: serialHexOf(serial), serialDecimal: serial.toString() };
}

/**
 * Whether the issuer's name matches and its key made the signature. Throws PkiError `unsupported-signature` or
 * `unsupported-key`.
 */
export async function isSignedBy(certificate: ParsedCertificate, issuer: ParsedCertificate): Promise<boolean> {
  if (!certificate.algorithmsAgree || !sameName(certificate.issuerDer, issuer.subjectDer)) return false;
  const { algorithmDer, tbsDer: data, signature } = certificate;
  return verifySignature({ algorithmDer, data, signature }, publicKeyOf(issuer.spkiDer));
}

/** Whether subject and issuer are equal (RFC 5280 §3.2 "self-issued"). Does not check the signature. */
export function isSelfIssued(certificate: ParsedCertificate): boolean {
  return sameName(certificate.subjectDer, certificate.issuerDer);
}

/** A display name: the common name, else the first SAN, else the DN. */
export function titleOf(certificate: ParsedCertificate): string {
  return (
    certificate.subjectFields.commonName ||
    certificate.subjectAltNames[0]?.value ||
    certificate.subject ||
    certificate.serialHex
  );
}
