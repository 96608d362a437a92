import type { RawExtension } from '../../plugin-api/terms.js';
import { DerError, DerReader, Tag } from '../der/reader.js';
import { derTime } from '../der/time.js';
import { ExtensionOid } from '../extensions.js';
import { PkiError } from '../pki-error.js';
import { demandDer } from './strict-der.js';
import { type ExtensionValues, readValue } from './extension-values.js';

/** One attribute of a name with its string type. */
export interface LintedAttribute {
  oid: string;
  tag: number;
  content: Buffer;
}

/** Validity as it is written: the tag tells UTCTime from GeneralizedTime. */
export interface LintedTime {
  tag: number;
  text: string;
  /** Milliseconds since 1970; NaN for a time in another form than that of RFC 5280 §4.1.2.5. */
  at: number;
}

export interface LintedExtension extends RawExtension {
  /** True when `critical FALSE` is written, which DER leaves out. */
  writesDefault: boolean;
}

/** A TBSCertificate (RFC 5280 §4.1) as its octets say, not as the writer was told. Buffers are views. */
export interface LintedCertificate {
  /** 2 for X.509 version 3. */
  version: number;
  /** The content of the INTEGER. */
  serial: Buffer;
  algorithmDer: Buffer;
  issuerDer: Buffer;
  notBefore: LintedTime;
  notAfter: LintedTime;
  subjectDer: Buffer;
  /** By RDN. */
  subject: readonly (readonly LintedAttribute[])[];
  key: { oid: string; parameters: Buffer };
  hasUniqueIds: boolean;
  extensions: readonly LintedExtension[];
  values: ExtensionValues;
  /** OIDs of known extensions whose value is not what their type demands, with the reason. */
  malformed: readonly { oid: string; reason: string }[];
}

/** Throws DerError when the octets are not a TBSCertificate in DER. */
export function readTbs(tbs: Buffer): LintedCertificate {
  const reader = DerReader.enter(tbs);
  const version = reader.enterIf(0xa0)?.smallInteger() ?? 0;
  const serial = reader.integer();
  const algorithmDer = reader.raw(Tag.sequence);
  demandDer(algorithmDer);
  const issuerDer = reader.rawBer(Tag.sequence);
  const validity = reader.enter();
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)];
  validity.end();
  const subjectDer = reader.raw(Tag.sequence);
  const spkiDer = reader.raw(Tag.sequence);
  demandDer(spkiDer);
  const key = readKey(DerReader.enter(spkiDer));
  let hasUniqueIds = false;
  while (reader.peek() === 0x81 || reader.peek() === 0x82) {
    reader.next();
    hasUniqueIds = true;
  }
  const wrapper = reader.enterIf(0xa3);
  const extensions = wrapper ? readExtensionList(wrapper) : [];
  reader.end();
  const subject = readSubject(subjectDer);
  const parts = { version, serial, algorithmDer, issuerDer, notBefore, notAfter, subjectDer, subject, key };
  return { ...parts, hasUniqueIds, extensions, ...readValues(extensions) };
}

/** Reads a time in any form. Throws DerError when the next element cannot be read. */
export function readTime(reader: DerReader): LintedTime {
  const tag = reader.peek() ?? 0;
  const text = reader.content().toString('latin1');
  return { tag, text, at: derTime(text, tag === Tag.utcTime)?.getTime() ?? NaN };
}

function readKey(spki: DerReader): LintedCertificate['key'] {
  const algorithm = spki.enter();
  const oid = algorithm.oid();
  const parameters = algorithm.more ? algorithm.raw() : Buffer.alloc(0);
  algorithm.end();
  spki.bitString();
  spki.end();
  return { oid, parameters };
}

function readSubject(subjectDer: Buffer): LintedAttribute[][] {
  const subject: LintedAttribute[][] = [];
  // In BER, as the subject of an imported CA may be, with which that of its OCSP responder begins.
  for (const relative = DerReader.enter(subjectDer, Tag.sequence, 'ber'); relative.more;) {
    const attributes: LintedAttribute[] = [];
    for (const set = relative.enter(Tag.set); set.more;) {
      const attribute = set.enter();
      const oid = attribute.oid();
      const tag = attribute.peek() ?? 0;
      attributes.push({ oid, tag, content: attribute.content() });
      attribute.end();
    }
    subject.push(attributes);
  }
  return subject;
}

const YEAR_2050 = Date.UTC(2050, 0);

/** Whether it has the form of RFC 5280 §4.1.2.5. */
export function isProperTime({ tag, at }: LintedTime): boolean {
  return tag === Tag.utcTime ? !Number.isNaN(at) : tag === Tag.generalizedTime && at >= YEAR_2050;
}

/** Reads Extensions, the only element of `wrapper`. Throws DerError. */
export function readExtensionList(wrapper: DerReader): LintedExtension[] {
  const extensions: LintedExtension[] = [];
  for (const reader = wrapper.enter(); reader.more;) {
    const member = reader.enter();
    const oid = member.oid();
    const isWritten = member.peek() === Tag.boolean;
    const critical = isWritten && member.boolean();
    extensions.push({ oid, critical, writesDefault: isWritten && !critical, valueDer: member.octetString() });
    member.end();
  }
  wrapper.end();
  return extensions;
}

function readValues(extensions: readonly LintedExtension[]): Pick<LintedCertificate, 'values' | 'malformed'> {
  const values: ExtensionValues = {};
  const malformed: { oid: string; reason: string }[] = [];
  for (const extension of extensions) {
    try {
      if (!isKnownExtension(extension.oid)) continue;
      demandDer(extension.valueDer);
      readValue(values, extension);
    } catch (error) {
      if (!(error instanceof DerError) && !(error instanceof PkiError)) throw error;
      malformed.push({ oid: extension.oid, reason: error.message });
    }
  }
  return { values, malformed };
}

const known: ReadonlySet<string> = new Set(Object.values(ExtensionOid));

/** True for the extensions whose values are read here. */
export function isKnownExtension(oid: string): boolean {
  return known.has(oid);
}
