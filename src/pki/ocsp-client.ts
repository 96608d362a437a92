import { hash } from 'node:crypto';
import { parseCertificate, type ParsedCertificate, isSignedBy } from './certificate.js';
import type { RevocationStatus } from './crl-status.js';
import { serialOf } from './crl-status.js';
import { DerError, DerReader, Tag } from './der/reader.js';
import * as der from './der/writer.js';
import { REVOCATION_REASONS } from './distribution-points.js';
import { readExtensions } from './extension-reader.js';
import { EXTENDED_KEY_USAGES } from './extensions.js';
import { publicKeyBitsOf, publicKeyOf } from './key.js';
import { sameName } from './names.js';
import { certIdHashes, encodeNonce, OcspOid } from './ocsp-request.js';
import { PkiError } from './pki-error.js';
import { verifySignature } from './sign.js';

const SHA1 = '1.3.14.3.2.26';
/** Clocks of responders differ from ours by minutes. */
const SKEW_MS = 5 * 60_000;
/** How old an answer may be that does not say until when it holds. */
const LONGEST_WITHOUT_END_MS = 24 * 60 * 60_000;

/** The certificate in question, its issuer, and the moment that counts. */
export interface OcspQuestion {
  certificate: ParsedCertificate;
  issuer: ParsedCertificate;
  at: Date;
  /** Sent with the request; an answer that repeats another one is refused. */
  nonce?: Buffer;
}

/** OCSPRequest for one certificate (RFC 6960 §4.1), by SHA-1, which every responder knows. */
export function ocspRequest({ certificate, issuer, nonce }: OcspQuestion): Buffer {
  const { nameHash, keyHash } = issuerHashes(certificate, issuer, 'sha1');
  const serial = der.tlv(Tag.integer, serialOf(certificate));
  const algorithm = der.sequence(der.oid(SHA1), der.nullValue());
  const certId = der.sequence(algorithm, der.octetString(nameHash), der.octetString(keyHash), serial);
  const list = der.sequence(der.sequence(certId));
  const extension = nonce && encodeNonce(nonce);
  return der.sequence(der.sequence(list, ...(extension ? [der.explicit(2, der.sequence(extension))] : [])));
}

function issuerHashes(certificate: ParsedCertificate, issuer: ParsedCertificate, algorithm: string) {
  const publicKey = publicKeyBitsOf(issuer.spkiDer);
  return { nameHash: hash(algorithm, certificate.issuerDer, 'buffer'), keyHash: hash(algorithm, publicKey, 'buffer') };
}

/** `until`: how long the answer may be kept. */
export type OcspAnswer = RevocationStatus & { until?: Date };

const unknown = (why: string): OcspAnswer => ({ status: 'unknown', why });

/** RFC 6960 §4.2.1, by code. */
const ERRORS = ['', 'malformedRequest', 'internalError', 'tryLater', '', 'sigRequired', 'unauthorized'];

/** The status that an OCSPResponse (DER) gives, when it is authentic, current and about this certificate. */
export async function statusByOcsp(responseDer: Buffer, question: OcspQuestion): Promise<OcspAnswer> {
  try {
    const outer = DerReader.enter(responseDer, Tag.sequence, 'ber');
    const code = outer.smallInteger(Tag.enumerated);
    if (code !== 0) return unknown(`The responder answers ${ERRORS[code] || `with error ${code}`}`);
    const bytes = outer.enter(0xa0).enter();
    if (bytes.oid() !== OcspOid.basicResponse) return unknown('The answer is of an unknown type');
    return await basicStatus(readBasic(bytes.octetString()), question);
  } catch (error) {
    if (!(error instanceof DerError) && !(error instanceof PkiError)) throw error;
    return unknown(`The answer of the responder is not readable: ${error.message}`);
  }
}

interface BasicResponse {
  dataDer: Buffer;
  algorithmDer: Buffer;
  signature: Buffer;
  certificates: Buffer[];
  /** Of the responder: its name (DER), or the SHA-1 of its key. */
  responder: { nameDer: Buffer } | { keyHash: Buffer };
  single: DerReader;
  nonce?: Buffer;
}

function readBasic(responseDer: Buffer): BasicResponse {
  const basic = DerReader.enter(responseDer, Tag.sequence, 'ber');
  const dataDer = basic.raw(Tag.sequence);
  const algorithmDer = basic.raw(Tag.sequence);
  const signature = basic.bitString().bytes;
  const certificates: Buffer[] = [];
  for (const list = basic.enterIf(0xa0)?.enter(); list?.more && certificates.length < MOST_CERTIFICATES;)
    certificates.push(list.raw(Tag.sequence));
  const data = DerReader.enter(dataDer, Tag.sequence, 'ber');
  data.enterIf(0xa0);
  const byName = data.enterIf(0xa1);
  const responder = byName ? { nameDer: byName.raw(Tag.sequence) } : { keyHash: data.enter(0xa2).octetString() };
  data.time();
  const single = data.enter();
  const extensions = data.enterIf(0xa1);
  const nonce = extensions && readExtensions(extensions.enter(), 'ber').find(({ oid }) => oid === OcspOid.nonce);
  return { dataDer, algorithmDer, signature, certificates, responder, single, ...(nonce && { nonce: nonce.valueDer }) };
}

/** Real responders send one; each that is tried costs a signature. */
const MOST_CERTIFICATES = 5;

async function basicStatus(response: BasicResponse, question: OcspQuestion): Promise<OcspAnswer> {
  const { nonce } = response;
  if (nonce && question.nonce && !nonce.equals(der.octetString(question.nonce)) && !nonce.equals(question.nonce))
    return unknown('The answer is for another request: its nonce differs');
  const single = findSingle(response.single, question);
  if (!single) return unknown('The answer is about other certificates');
  const { at } = question;
  const until = single.nextUpdate ?? new Date(single.thisUpdate.getTime() + LONGEST_WITHOUT_END_MS);
  if (single.thisUpdate.getTime() > at.getTime() + SKEW_MS)
    return unknown(`The answer holds only from ${single.thisUpdate.toISOString()}`);
  if (until.getTime() < at.getTime() - SKEW_MS)
    return unknown(`The answer is out of date since ${until.toISOString()}`);
  const fault = await signatureFault(response, question);
  return fault === null ? { ...single.status, until } : unknown(fault);
}

interface SingleAnswer {
  status: RevocationStatus;
  thisUpdate: Date;
  nextUpdate?: Date;
}

/** The answer about the certificate in question, whichever hash names it. */
function findSingle(responses: DerReader, question: OcspQuestion): SingleAnswer | null {
  while (responses.more) {
    const single = responses.enter();
    if (isAbout(single.enter(), question)) return readSingle(single);
  }
  return null;
}

function isAbout(certId: DerReader, { certificate, issuer }: OcspQuestion): boolean {
  const algorithm = certIdHashes.get(certId.enter().oid());
  if (algorithm === undefined) return false;
  const { nameHash, keyHash } = issuerHashes(certificate, issuer, algorithm);
  return (
    certId.octetString().equals(nameHash) &&
    certId.octetString().equals(keyHash) &&
    certId.integer().equals(serialOf(certificate))
  );
}

function readSingle(single: DerReader): SingleAnswer {
  const tag = single.peek();
  const revoked = single.enterIf(0xa1);
  const revokedAt = revoked?.time();
  const reasonCode = revoked?.enterIf(0xa0)?.smallInteger(Tag.enumerated);
  if (!revoked) single.next();
  const thisUpdate = single.time();
  const nextUpdate = single.enterIf(0xa0)?.time();
  const said = `The responder says so at ${thisUpdate.toISOString()}`;
  const reason = reasonCode === undefined ? undefined : REVOCATION_REASONS[reasonCode];
  const status: RevocationStatus = revokedAt
    ? { status: 'revoked', why: said, revokedAt, ...(reason && { reason }) }
    : tag === 0x80
      ? { status: 'good', why: said }
      : { status: 'unknown', why: 'The responder does not know the certificate' };
  return { status, thisUpdate, ...(nextUpdate && { nextUpdate }) };
}

/** RFC 6960 §4.2.2.2: the issuer itself has signed, or a certificate that it has issued for this purpose. */
async function signatureFault(response: BasicResponse, { issuer, at }: OcspQuestion): Promise<string | null> {
  const { algorithmDer, dataDer: data, signature } = response;
  const isSigner = async ({ spkiDer }: ParsedCertificate) =>
    verifySignature({ algorithmDer, data, signature }, publicKeyOf(spkiDer));
  if (isResponder(issuer, response.responder)) return (await isSigner(issuer)) ? null : WRONG_SIGNATURE;
  for (const certificateDer of response.certificates) {
    const delegate = parseCertificate(certificateDer);
    if (!isResponder(delegate, response.responder)) continue;
    if (!delegate.extendedKeyUsage.includes(EXTENDED_KEY_USAGES.ocspSigning ?? ''))
      return 'The certificate of the responder is not for signing OCSP answers';
    if (at < delegate.notBefore || at > delegate.notAfter) return 'The certificate of the responder is not valid now';
    if (!(await isSignedBy(delegate, issuer))) return 'The certificate of the responder is of another issuer';
    return (await isSigner(delegate)) ? null : WRONG_SIGNATURE;
  }
  return 'The certificate of the responder is missing';
}

const WRONG_SIGNATURE = 'The signature of the responder is wrong';

function isResponder({ subjectDer, spkiDer }: ParsedCertificate, responder: BasicResponse['responder']): boolean {
  return 'nameDer' in responder
    ? sameName(subjectDer, responder.nameDer)
    : responder.keyHash.equals(hash('sha1', publicKeyBitsOf(spkiDer), 'buffer'));
}
