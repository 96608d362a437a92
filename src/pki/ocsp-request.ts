import { hash } from 'node:crypto';
import { DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { readExtensions } from './extension-reader.js';
import { publicKeyBitsOf } from './key.js';
import { orMalformed, PkiError } from './pki-error.js';
import { serialHexOf, serialOfInteger } from './serial.js';

/** OIDs below id-pkix-ocsp (RFC 6960 §4.4). */
export const OcspOid = {
  basicResponse: '1.3.6.1.5.5.7.48.1.1',
  nonce: '1.3.6.1.5.5.7.48.1.2',
  noCheck: '1.3.6.1.5.5.7.48.1.5',
  archiveCutoff: '1.3.6.1.5.5.7.48.1.6',
} as const;

/** The hashes of a CertID that are known here, by OID. */
export const certIdHashes: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** Names a certificate by its issuer and serial number (RFC 6960 §4.1.1). */
export interface CertId {
  /** As the client sent it: the response repeats these octets. */
  der: Buffer;
  /**
   * What was hashed by what, in one text: equal for equal hash algorithms, names and keys. See `issuerIdsOf`. Null when
   * the hash is not known: it can name no issuer.
   */
  issuerId: string | null;
  /** As `ParsedCertificate.serialHex`. */
  serialHex: string;
}

/** What a client asks. */
export interface OcspRequest {
  certIds: readonly CertId[];
  /** 1 to 128 octets (RFC 9654 §2.1); null when none was sent. */
  nonce: Buffer | null;
}

const longestNonce = 128;
/** Clients ask for a chain at most. Each costs look-ups, and anybody may ask. */
const mostCertIds = 32;
/** RFC 5280 §4.1.2.2 allows 20 octets; certificates that others made may have a few more. */
const longestSerial = 64;

/**
 * Reads an OCSPRequest in DER. A signature is not looked at (RFC 6960 §4.1.2 leaves that to the responder). Throws
 * PkiError `malformed-ocsp-request`, also for a version other than v1, a critical extension that is not known, a nonce
 * that RFC 9654 forbids, and more than 32 certificates.
 */
export function readOcspRequest(request: Buffer): OcspRequest {
  return orMalformed('malformed-ocsp-request', 'This is not an OCSP request', () => {
    const outer = DerReader.enter(request);
    const tbs = outer.enter();
    if (outer.peek() === 0xa0) outer.next();
    outer.end();
    const version = tbs.enterIf(0xa0);
    if (version && version.smallInteger() !== 0) throw refused('Its version is not known');
    if (tbs.peek() === 0xa1) tbs.next();
    const certIds: CertId[] = [];
    for (const list = tbs.enter(); list.more;) {
      if (certIds.length === mostCertIds) throw refused(`It names more than ${mostCertIds} certificates`);
      certIds.push(readRequest(list.enter()));
    }
    if (certIds.length === 0) throw refused('It names no certificate');
    const nonce = nonceOf(tbs.enterIf(0xa2));
    tbs.end();
    return { certIds, nonce };
  });
}

function refused(message: string): PkiError {
  return new PkiError('malformed-ocsp-request', message);
}

function readRequest(request: DerReader): CertId {
  const certId = request.raw(Tag.sequence);
  knownExtensions(request.enterIf(0xa0), []);
  request.end();
  const members = DerReader.enter(certId);
  const algorithm = readAlgorithm(members.enter());
  const [nameHash, keyHash] = [members.octetString(), members.octetString()];
  const serial = members.integer();
  members.end();
  if (serial.length > longestSerial) throw refused('A serial number is too long');
  return {
    der: certId,
    issuerId: algorithm === null ? null : issuerId(algorithm, nameHash, keyHash),
    serialHex: serialHexOf(serialOfInteger(serial)),
  };
}

/** The hash by name, or null when it is not known. Its parameters are NULL or absent (RFC 5754 §2). */
function readAlgorithm(algorithm: DerReader): string | null {
  const name = certIdHashes.get(algorithm.oid());
  if (name === undefined) return null;
  if (algorithm.more) algorithm.content(Tag.null);
  algorithm.end();
  return name;
}

function nonceOf(holder: DerReader | undefined): Buffer | null {
  const found = knownExtensions(holder, [OcspOid.nonce]).find(({ oid }) => oid === OcspOid.nonce);
  if (!found) return null;
  const value = DerReader.over(found.valueDer);
  const nonce = value.octetString();
  value.end();
  if (nonce.length < 1 || nonce.length > longestNonce) throw refused('A nonce has 1 to 128 octets (RFC 9654)');
  return nonce;
}

/** The extensions in `holder`. Throws for a critical one whose OID is not in `known`. */
function knownExtensions(holder: DerReader | undefined, known: readonly string[]): ReturnType<typeof readExtensions> {
  if (!holder) return [];
  const found = readExtensions(holder.enter());
  holder.end();
  const unknown = found.find(({ oid, critical }) => critical && !known.includes(oid));
  if (unknown) throw refused(`The critical extension ${unknown.oid} is not known`);
  return found;
}

function issuerId(algorithm: string, nameHash: Buffer, keyHash: Buffer): string {
  return `${algorithm} ${nameHash.toString('base64')} ${keyHash.toString('base64')}`;
}

/** How clients may name this CA in a CertID: `CertId.issuerId` for each hash. Throws PkiError `malformed-key`. */
export function issuerIdsOf({ subjectDer, spkiDer }: { subjectDer: Buffer; spkiDer: Buffer }): string[] {
  const bits = publicKeyBitsOf(spkiDer);
  return [...certIdHashes.values()].map((name) =>
    issuerId(name, hash(name, subjectDer, 'buffer'), hash(name, bits, 'buffer')),
  );
}

/** Nonce as an Extension (RFC 9654 §2.1), DER. */
export function encodeNonce(nonce: Buffer): Buffer {
  return der.sequence(der.oid(OcspOid.nonce), der.octetString(der.octetString(nonce)));
}
