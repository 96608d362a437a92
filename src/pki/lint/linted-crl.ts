import { DerReader, Tag } from '../der/reader.js';
import { demandDer } from './strict-der.js';
import { type LintedExtension, type LintedTime, readExtensionList, readTime } from './linted-certificate.js';

/** A TBSCertList (RFC 5280 §5.1) as its octets say. Buffers are views. */
export interface LintedCrl {
  /** 1 for version 2. */
  version: number;
  algorithmDer: Buffer;
  issuerDer: Buffer;
  thisUpdate: LintedTime;
  /** Absent: there is none. */
  nextUpdate?: LintedTime;
  /** The content of revokedCertificates; null when it is left out. */
  entriesDer: Buffer | null;
  extensions: readonly LintedExtension[];
}

/** One member of revokedCertificates. */
export interface LintedEntry {
  /** The content of the INTEGER. */
  serial: Buffer;
  revokedAt: LintedTime;
  /** Null when the member has none. */
  extensions: readonly LintedExtension[] | null;
}

/** Throws DerError. Does not look at the entries. */
export function readTbsCrl(tbs: Buffer): LintedCrl {
  const reader = DerReader.enter(tbs);
  const version = reader.peek() === Tag.integer ? reader.smallInteger() : 0;
  const algorithmDer = reader.raw(Tag.sequence);
  demandDer(algorithmDer);
  const issuerDer = reader.rawBer(Tag.sequence);
  const thisUpdate = readTime(reader);
  const hasNext = reader.peek() === Tag.utcTime || reader.peek() === Tag.generalizedTime;
  const nextUpdate = hasNext ? readTime(reader) : undefined;
  const entriesDer = reader.peek() === Tag.sequence ? reader.content() : null;
  const wrapper = reader.enterIf(0xa0);
  const extensions = wrapper ? readExtensionList(wrapper) : [];
  reader.end();
  extensions.forEach(({ valueDer }) => demandDer(valueDer));
  return { version, algorithmDer, issuerDer, thisUpdate, ...(nextUpdate && { nextUpdate }), entriesDer, extensions };
}

/** Throws DerError. */
export function* readEntries(entriesDer: Buffer): Generator<LintedEntry> {
  for (const reader = DerReader.over(entriesDer); reader.more;) {
    const entry = reader.enter();
    const [serial, revokedAt] = [entry.integer(), readTime(entry)];
    const extensions = entry.more ? readExtensionList(entry) : null;
    entry.end();
    extensions?.forEach(({ valueDer }) => demandDer(valueDer));
    yield { serial, revokedAt, extensions };
  }
}
