import { setImmediate } from 'node:timers';
import type { RawExtension } from '../plugin-api/terms.js';
import * as der from './der/writer.js';
import { demandCleanCrl } from './lint/lint-crl.js';
import { authorityKeyIdentifier, encodeExtension, ExtensionOid, generalNamesOf } from './extensions.js';

/** CRLReason codes that the writer treats alone (RFC 5280 §5.3.1). */
const unspecified = 0;

/** One revoked certificate. `serial` is an unsigned magnitude, `reason` a CRLReason code (RFC 5280 §5.3.1). */
export interface CrlEntry {
  serial: Buffer;
  revokedAt: Date;
  reason: number;
  invalidityDate?: Date | null;
}

/** One member of revokedCertificates (RFC 5280 §5.1.2.6, §5.3), DER. The reason `unspecified` is left out. */
export function encodeCrlEntry({ serial, revokedAt, reason, invalidityDate }: CrlEntry): Buffer {
  const extensions = [
    ...(reason === unspecified
      ? []
      : [extension(ExtensionOid.reasonCode, false, der.tlv(0x0a, Buffer.from([reason])))]),
    ...(invalidityDate ? [extension(ExtensionOid.invalidityDate, false, der.generalizedTime(invalidityDate))] : []),
  ];
  return der.sequence(
    der.integer(serial),
    der.time(revokedAt),
    ...(extensions.length > 0 ? [der.sequence(...extensions.map(encodeExtension))] : []),
  );
}

/** What a CRL says besides its entries. */
export interface CrlHead {
  /** Subject DN of the CA, DER. */
  issuerDer: Buffer;
  issuerKeyIdentifier: Buffer;
  /** AlgorithmIdentifier, DER. */
  signatureAlgorithm: Buffer;
  /** At most 20 octets (RFC 5280 §5.2.3). */
  number: bigint;
  thisUpdate: Date;
  nextUpdate: Date;
  /** For a CRL of some certificates: the URLs that these name as their distribution point (RFC 5280 §5.2.5). */
  distributionPoint?: readonly string[];
  /** For a delta CRL: the number of the CRL that it changes (RFC 5280 §5.2.4). */
  baseNumber?: bigint;
  /** For a complete CRL: the URLs of its delta CRL (RFC 5280 §5.2.6). */
  freshest?: readonly string[];
}

/** Octets that are copied before other work of the process gets its turn. */
const sliceOctets = 4 * 1024 * 1024;
/** Room for the headers before the TBSCertList, and for algorithm and signature behind it. */
const [roomBefore, roomAfter] = [8, 16_384];

/**
 * A CRL of version 2 (RFC 5280 §5), DER. `entries` are parts of one or many encoded entries, in any order; their octets
 * are copied once, in slices, so that a million of them does not hold up the event loop. Throws PkiError `lint` before
 * anything is signed when the CRL breaks a rule; the entries are not read for that.
 */
export async function signCrl(
  head: CrlHead,
  entries: readonly Buffer[],
  sign: (tbs: Buffer) => Promise<Buffer>,
): Promise<Buffer> {
  const entriesLength = entries.reduce((sum, { length }) => sum + length, 0);
  const before = Buffer.concat([
    der.integer(1),
    head.signatureAlgorithm,
    head.issuerDer,
    der.time(head.thisUpdate),
    der.time(head.nextUpdate),
    // An empty list is left out (RFC 5280 §5.1.2.6).
    ...(entriesLength > 0 ? [der.header(0x30, entriesLength)] : []),
  ]);
  const after = der.explicit(0, der.sequence(...crlExtensions(head).map(encodeExtension)));
  const tbsHeader = der.header(0x30, before.length + entriesLength + after.length);
  const tbsLength = tbsHeader.length + before.length + entriesLength + after.length;
  const out = Buffer.allocUnsafe(roomBefore + tbsLength + roomAfter);
  let at = roomBefore;
  const put = (part: Buffer): void => void (at += part.copy(out, at));
  [tbsHeader, before].forEach(put);
  for (const part of slicesOf(entries)) {
    put(part);
    if (entriesLength > sliceOctets) await new Promise((resolve) => setImmediate(resolve));
  }
  put(after);
  const tbs = out.subarray(roomBefore, at);
  demandCleanCrl(tbs, head);
  const signature = der.bitString(await sign(tbs));
  [head.signatureAlgorithm, signature].forEach(put);
  const outer = der.header(0x30, at - roomBefore);
  outer.copy(out, roomBefore - outer.length);
  return out.subarray(roomBefore - outer.length, at);
}

function* slicesOf(parts: readonly Buffer[]): Generator<Buffer> {
  for (const part of parts)
    for (let from = 0; from < part.length; from += sliceOctets) yield part.subarray(from, from + sliceOctets);
}

function crlExtensions({
  issuerKeyIdentifier,
  number,
  distributionPoint,
  baseNumber,
  freshest,
}: CrlHead): RawExtension[] {
  return [
    authorityKeyIdentifier(issuerKeyIdentifier),
    extension(ExtensionOid.crlNumber, false, der.integer(number)),
    ...(baseNumber === undefined ? [] : [extension(ExtensionOid.deltaCrlIndicator, true, der.integer(baseNumber))]),
    ...(distributionPoint
      ? [extension(ExtensionOid.issuingDistributionPoint, true, der.sequence(pointName(distributionPoint)))]
      : []),
    ...(freshest ? [extension(ExtensionOid.freshestCrl, false, der.sequence(der.sequence(pointName(freshest))))] : []),
  ];
}

/** DistributionPointName, in the tag that all its places give it: [0] EXPLICIT, since it is a CHOICE. */
function pointName(urls: readonly string[]): Buffer {
  return der.explicit(0, der.explicit(0, ...generalNamesOf(urls)));
}

function extension(oid: string, critical: boolean, valueDer: Buffer): RawExtension {
  return { oid, critical, valueDer };
}
