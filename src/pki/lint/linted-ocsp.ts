import { DerError, DerReader, Tag } from '../der/reader.js';
import { type LintedExtension, type LintedTime, readExtensionList, readTime } from './linted-certificate.js';
import { demandDer } from './strict-der.js';

/** A ResponseData (RFC 6960 §4.2.1) as its octets say. Buffers are views. */
export interface LintedOcsp {
  /** True when a version is written; DER leaves out the only one, v1. */
  writesVersion: boolean;
  /** The hash in a responder ID by key; null for one by name. */
  keyHash: Buffer | null;
  producedAt: LintedTime;
  responses: readonly LintedResponse[];
  extensions: readonly LintedExtension[];
}

/** A SingleResponse. */
export interface LintedResponse {
  certIdDer: Buffer;
  /** Null unless the status is `revoked`. `reason`: null when it is left out. */
  revoked: { at: LintedTime; reason: number | null } | null;
  thisUpdate: LintedTime;
  nextUpdate: LintedTime | null;
  extensions: readonly LintedExtension[];
}

/** Throws DerError. */
export function readResponseData(tbs: Buffer): LintedOcsp {
  const reader = DerReader.enter(tbs);
  const writesVersion = reader.peek() === 0xa0;
  if (writesVersion) reader.next();
  const byKey = reader.enterIf(0xa2);
  if (!byKey) reader.next(0xa1);
  const keyHash = byKey?.octetString() ?? null;
  byKey?.end();
  const producedAt = readTime(reader);
  const responses: LintedResponse[] = [];
  for (const list = reader.enter(); list.more;) responses.push(readResponse(list.enter()));
  const extensions = extensionsIn(reader);
  reader.end();
  return { writesVersion, keyHash, producedAt, responses, extensions };
}

function readResponse(response: DerReader): LintedResponse {
  const certIdDer = response.raw(Tag.sequence);
  const revoked = readStatus(response);
  const thisUpdate = readTime(response);
  const wrapper = response.enterIf(0xa0);
  const nextUpdate = wrapper ? readTime(wrapper) : null;
  wrapper?.end();
  const extensions = extensionsIn(response);
  response.end();
  return { certIdDer, revoked, thisUpdate, nextUpdate, extensions };
}

function readStatus(response: DerReader): LintedResponse['revoked'] {
  const info = response.enterIf(0xa1);
  if (!info) {
    const tag = response.peek();
    if (tag !== 0x80 && tag !== 0x82) throw new DerError('A status is good, revoked or unknown');
    if (response.content().length > 0) throw new DerError('The status good or unknown has content');
    return null;
  }
  const at = readTime(info);
  const wrapper = info.enterIf(0xa0);
  const reason = wrapper ? wrapper.smallInteger(Tag.enumerated) : null;
  wrapper?.end();
  info.end();
  return { at, reason };
}

function extensionsIn(reader: DerReader): LintedExtension[] {
  const wrapper = reader.enterIf(0xa1);
  const extensions = wrapper ? readExtensionList(wrapper) : [];
  extensions.forEach(({ valueDer }) => demandDer(valueDer));
  return extensions;
}
