import { hash } from 'node:crypto';
import type { RawExtension, SubjectFields } from '../plugin-api/terms.js';
import { DerError, DerReader, Tag } from './der/reader.js';
import { type ExtensionFacts, extensionFacts, readExtensions } from './extension-reader.js';
import { keyFactsOf, publicKeyOf } from './key.js';
import type { KeyFacts } from './key-names.js';
import { fieldsOf, formatName, readName, sameName } from './names.js';
import { CERTIFICATE_LABELS, parsePem } from './pem.js';
import { PkiError } from './pki-error.js';
import { serialHexOf, serialOfInteger } from './serial.js';
import { signatureAlgorithmName, verifySignature } from './sign.js';

/** A parsed certificate. Buffers are views of `der`. */
export interface ParsedCertificate extends ExtensionFacts, KeyFacts {
  der: Buffer;
  /** Upper case without leading zeros; with a leading `-` for a negative serial number, e.g. `-5`. */
  serialHex: string;
  serialDecimal: string;
  issuerDer: Buffer;
  subjectDer: Buffer;
  /** RFC 4514 text. */
  issuer: string;
  subject: string;
  issuerFields: SubjectFields;
  subjectFields: SubjectFields;
  notBefore: Date;
  notAfter: Date;
  spkiDer: Buffer;
  /** The hash, e.g. `sha256`, or an algorithm without a separate hash, e.g. `ed25519`; a dotted OID when unknown. */
  signatureAlgorithm: string;
  /** False when the two AlgorithmIdentifiers differ: every verifier rejects such a signature. */
  algorithmsAgree: boolean;
  /** SHA-256 of `der`, lower hex. */
  fingerprintSha256: string;
  extensions: RawExtension[];
  tbsDer: Buffer;
  algorithmDer: Buffer;
  signature: Buffer;
}

const MAX_CERTIFICATE_BYTES = 1024 * 1024;

/**
 * Parses one certificate: DER, or PEM text with exactly one block. Accepts what OpenSSL accepts: BER, any serial
 * number, name, key and date. Ignores octets after the certificate. Throws PkiError `malformed-certificate` or
 * `malformed-pem`.
 */
export function parseCertificate(derOrPem: Buffer | string): ParsedCertificate {
  const ber = typeof derOrPem === 'string' ? onlyOne(derOrPem) : derOrPem;
  if (ber.length > MAX_CERTIFICATE_BYTES) throw new PkiError('malformed-certificate', 'The certificate is too large');
  try {
    return readCertificate(DerReader.over(ber, 'ber').raw(Tag.sequence));
  } catch (error) {
    const detail = error instanceof PkiError || error instanceof DerError ? `: ${error.message}` : '';
    throw new PkiError('malformed-certificate', `The certificate is not readable${detail}`, { cause: error });
  }
}

function onlyOne(pem: string): Buffer {
  const [der, ...others] = parsePem(pem, ...CERTIFICATE_LABELS);
  if (!der || others.length > 0) throw new PkiError('malformed-certificate', 'Exactly one certificate is needed');
  return der;
}

function readCertificate(der: Buffer): ParsedCertificate {
  const outer = DerReader.enter(der, Tag.sequence, 'ber');
  const tbsDer = outer.raw(Tag.sequence);
  const algorithmDer = outer.raw(Tag.sequence);
  const signature = outer.bitString().bytes;
  outer.end();
  return {
    der,
    tbsDer,
    algorithmDer,
    signature,
    signatureAlgorithm: signatureAlgorithmName(algorithmDer),
    fingerprintSha256: hash('sha256', der, 'hex'),
    ...readTbs(tbsDer, algorithmDer),
  };
}

function readTbs(tbsDer: Buffer, algorithmDer: Buffer) {
  const tbs = DerReader.enter(tbsDer, Tag.sequence, 'ber');
  tbs.enterIf(0xa0)?.integer();
  const serial = tbs.integer();
  // RFC 5280 §4.1.1.2: the algorithm appears twice, and only this copy is signed.
  const algorithmsAgree = tbs.raw(Tag.sequence).equals(algorithmDer);
  const issuerDer = tbs.raw(Tag.sequence);
  const validity = tbs.enter();
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.end();
  const subjectDer = tbs.raw(Tag.sequence);
  const spkiDer = tbs.raw(Tag.sequence);
  const extensions = readTail(tbs);
  return {
    algorithmsAgree,
    notBefore,
    notAfter,
    issuerDer,
    subjectDer,
    spkiDer,
    extensions,
    ...serialTexts(serial),
    ...issuerAndSubject(issuerDer, subjectDer),
    ...keyFactsOf(spkiDer),
    ...extensionFacts(extensions, 'ber'),
  };
}

function readTail(tbs: DerReader): RawExtension[] {
  for (const uniqueId of [0x81, 0x82]) if (((tbs.peek() ?? 0) & ~0x20) === uniqueId) tbs.next();
  const wrapper = tbs.enterIf(0xa3);
  const extensions = wrapper ? readExtensions(wrapper.enter(), 'ber') : [];
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
