import type { KeyObject } from 'node:crypto';
import type { Signer } from '../plugin-api/signer.js';
import type { KeyUsage, RawExtension, SubjectAltName, SubjectFields } from '../plugin-api/terms.js';
import { DerError, DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { type ExtensionFacts, extensionFacts, readExtensions } from './extension-reader.js';
import { encodeExtensions, extendedKeyUsage, keyUsage, subjectAltName } from './extensions.js';
import { keyTypeOf, strongKeyOf } from './key.js';
import type { KeyFacts } from './key-names.js';
import { encodeSubject, fieldsOf, formatName, readName } from './names.js';
import { CSR_LABELS, parsePem, toPem } from './pem.js';
import { orMalformed, PkiError } from './pki-error.js';
import { signatureAlgorithmName, signatureAlgorithmOf, signerOf, verifySignature } from './sign.js';

/** A certification request (RFC 2986) whose subject is not read yet. Buffers are views of `der`. */
export interface CsrParts extends ExtensionFacts, KeyFacts {
  der: Buffer;
  subjectDer: Buffer;
  spkiDer: Buffer;
  /** All requested extensions. */
  extensions: RawExtension[];
  /** OIDs of the attributes other than extensionRequest. */
  otherAttributes: string[];
  signatureAlgorithm: string;
  infoDer: Buffer;
  algorithmDer: Buffer;
  signature: Buffer;
}

/** A parsed certification request. */
export interface ParsedCsr extends CsrParts {
  /** RFC 4514 text. */
  subject: string;
  subjectFields: SubjectFields;
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const MICROSOFT_EXTENSION_REQUEST = '1.3.6.1.4.1.311.2.1.14';
const BROKEN_HASHES: ReadonlySet<string> = new Set(['md2', 'md4', 'md5', 'ripemd160']);
const MAX_CSR_BYTES = 256 * 1024;
const unreadable = 'The certificate request is not readable';

/**
 * Parses one request, DER or PEM, without checking its signature. Throws PkiError `malformed-csr` or `malformed-pem`.
 */
export function parseCsr(pemOrDer: string | Buffer): ParsedCsr {
  const parts = csrParts(pemOrDer);
  const name = orMalformed('malformed-csr', unreadable, () => readName(parts.subjectDer));
  return { subject: formatName(name), subjectFields: fieldsOf(name), ...parts };
}

/** As `parseCsr`, without reading the subject: its octets may be no name. */
export function csrParts(pemOrDer: string | Buffer): CsrParts {
  const [csrDer, ...others] = typeof pemOrDer === 'string' ? parsePem(pemOrDer, ...CSR_LABELS) : [pemOrDer];
  if (!csrDer || others.length > 0) throw new PkiError('malformed-csr', 'Exactly one certificate request is needed');
  if (csrDer.length > MAX_CSR_BYTES) throw new PkiError('malformed-csr', 'The certificate request is too large');
  return orMalformed('malformed-csr', unreadable, () => readCsr(csrDer));
}

function readCsr(csrDer: Buffer): CsrParts {
  const outer = DerReader.enter(csrDer);
  const infoDer = outer.raw(Tag.sequence);
  const algorithmDer = outer.raw(Tag.sequence);
  const signature = outer.bitString().bytes;
  outer.end();
  const info = DerReader.enter(infoDer);
  if (info.smallInteger() !== 0) throw new DerError('Unknown version');
  const subjectDer = info.raw(Tag.sequence);
  const spkiDer = info.raw(Tag.sequence);
  const attributes = info.enterIf(0xa0);
  info.end();
  const { extensions, otherAttributes } = readAttributes(attributes);
  return {
    der: csrDer,
    infoDer,
    algorithmDer,
    signature,
    subjectDer,
    spkiDer,
    extensions,
    otherAttributes,
    signatureAlgorithm: signatureAlgorithmName(algorithmDer),
    ...keyTypeOf(spkiDer),
    ...extensionFacts(extensions),
  };
}

function readAttributes(attributes?: DerReader): Pick<CsrParts, 'extensions' | 'otherAttributes'> {
  let extensions: RawExtension[] | undefined;
  const otherAttributes: string[] = [];
  while (attributes?.more) {
    const attribute = attributes.enter();
    const type = attribute.oid();
    const values = attribute.enter(Tag.set);
    if (type !== EXTENSION_REQUEST && type !== MICROSOFT_EXTENSION_REQUEST) {
      otherAttributes.push(type);
      continue;
    }
    if (extensions) throw new DerError('Extensions are requested twice');
    // Some programs write the attribute without extensions.
    extensions = values.more ? readExtensions(values.enter()) : [];
    values.end();
  }
  return { extensions: extensions ?? [], otherAttributes };
}

/**
 * Checks key strength, then proof of possession (the costlier check). The key of the request. Throws PkiError
 * `bad-csr-signature`, `weak-key`, `unsupported-key` or `unsupported-signature`.
 */
export async function verifyCsr(csr: CsrParts): Promise<KeyObject> {
  const { algorithmDer, infoDer, signature, spkiDer } = csr;
  const key = strongKeyOf(spkiDer);
  if (BROKEN_HASHES.has(csr.signatureAlgorithm))
    throw new PkiError('unsupported-signature', `A signature with ${csr.signatureAlgorithm} proves nothing`);
  if (!(await verifySignature({ algorithmDer, data: infoDer, signature }, key))) {
    throw new PkiError('bad-csr-signature', 'The certificate request is not signed by its own key');
  }
  return key;
}

/** The content of a new request. `extendedKeyUsage` holds dotted OIDs. */
export interface CsrContent {
  subject: SubjectFields;
  /** The whole DN; overrides `subject`. */
  subjectDer?: Buffer;
  subjectAltNames: readonly SubjectAltName[];
  keyUsage?: readonly KeyUsage[];
  extendedKeyUsage?: readonly string[];
  extensions?: readonly RawExtension[];
}

/**
 * Builds a request, signed by its own key, as PEM. Throws PkiError `bad-name`, `bad-extension` or `unsupported-key`.
 */
export function buildCsr(content: CsrContent, privateKey: KeyObject): Promise<string> {
  return buildCsrBy(content, signerOf(privateKey));
}

/** As `buildCsr`, for a key that is elsewhere. */
export async function buildCsrBy(content: CsrContent, signer: Signer): Promise<string> {
  const { hash, algorithmDer } = signatureAlgorithmOf(signer);
  const subjectDer = content.subjectDer ?? encodeSubject(content.subject);
  const requested = requestedExtensions(content, subjectDer);
  const attribute = der.sequence(der.oid(EXTENSION_REQUEST), der.setOf(encodeExtensions(requested)));
  const info = der.sequence(
    der.integer(0),
    subjectDer,
    signer.spkiDer,
    der.explicit(0, ...(requested.length > 0 ? [attribute] : [])),
  );
  const signature = await signer.sign(hash, info);
  return toPem('CERTIFICATE REQUEST', der.sequence(info, algorithmDer, der.bitString(signature)));
}

function requestedExtensions(content: CsrContent, subjectDer: Buffer): RawExtension[] {
  const { subjectAltNames, keyUsage: usages = [], extendedKeyUsage: purposes = [], extensions = [] } = content;
  return [
    ...(subjectAltNames.length > 0 ? [subjectAltName(subjectAltNames, isEmptyName(subjectDer))] : []),
    ...(usages.length > 0 ? [keyUsage(usages)] : []),
    ...(purposes.length > 0 ? [extendedKeyUsage(purposes)] : []),
    ...extensions,
  ];
}

function isEmptyName(nameDer: Buffer): boolean {
  return nameDer.length === 2;
}
