import { hash } from 'node:crypto';
import type { ParsedCertificate } from '../../src/pki/certificate.js';
import { encodeCrlEntry, signCrl } from '../../src/pki/crl.js';
import { serialOf } from '../../src/pki/crl-status.js';
import * as der from '../../src/pki/der/writer.js';
import { issuerKeyIdentifier } from '../../src/pki/issuer-key.js';
import { publicKeyBitsOf } from '../../src/pki/key.js';
import { readOcspRequest } from '../../src/pki/ocsp-request.js';
import { responderCertificate } from '../../src/pki/ocsp-responder.js';
import { type OcspStatus, ocspWriter } from '../../src/pki/ocsp-response.js';
import { newSerial } from '../../src/pki/serial.js';
import { signatureAlgorithmOf, signerOf } from '../../src/pki/sign.js';
import { type Ca, inDays, type Issued, type KeyPool } from './hierarchy.js';

/** A revocation; `reason` is a CRLReason code. */
export interface Revocation {
  certificate: ParsedCertificate;
  reason: number;
}

/** What may differ in a CRL. */
export interface CrlWish {
  nextUpdate?: Date;
  /** A list of some certificates, published at these URLs. */
  distributionPoint?: readonly string[];
  number?: bigint;
  /** Where the delta CRL of a complete one is. */
  freshest?: readonly string[];
  /** Of the complete CRL that a delta CRL changes. */
  baseNumber?: bigint;
}

/** The CRL of this CA in DER, by the code that makes the published ones. */
export async function crlOf(ca: Ca, revocations: readonly Revocation[], wish: CrlWish = {}): Promise<Buffer> {
  const { hash: digest, algorithmDer } = signatureAlgorithmOf(ca.signer);
  const entries = revocations.map(({ certificate, reason }) =>
    encodeCrlEntry({ serial: serialOf(certificate), revokedAt: inDays(-2), reason }),
  );
  const head = {
    issuerDer: ca.certificate.subjectDer,
    issuerKeyIdentifier: issuerKeyIdentifier(ca.certificate),
    signatureAlgorithm: algorithmDer,
    number: BigInt(Date.now()),
    thisUpdate: wish.nextUpdate ? new Date(wish.nextUpdate.getTime() - 7 * 86_400_000) : inDays(-1),
    nextUpdate: inDays(7),
    ...wish,
  };
  return signCrl(head, entries, (tbs) => ca.signer.sign(digest, tbs));
}

export type IdHash = 'sha1' | 'sha256';
const hashOids = { sha1: '1.3.14.3.2.26', sha256: '2.16.840.1.101.3.4.2.1' };

/** An OCSPRequest for one certificate in DER (RFC 6960 §4.1). */
function requestFor({ certificate, issuer }: Issued, idHash: IdHash): Buffer {
  const certId = der.sequence(
    der.sequence(der.oid(hashOids[idHash]), der.nullValue()),
    der.octetString(hash(idHash, issuer.certificate.subjectDer, 'buffer')),
    der.octetString(hash(idHash, publicKeyBitsOf(issuer.certificate.spkiDer), 'buffer')),
    der.integer(serialOf(certificate)),
  );
  return der.sequence(der.sequence(der.sequence(der.sequence(certId))));
}

/** The answer of the issuer's responder about a certificate, in DER, by the code that makes the published ones. */
export async function ocspOf(issued: Issued, idHash: IdHash, status: OcspStatus, keys: KeyPool): Promise<Buffer> {
  const { issuer } = issued;
  const signer = signerOf(await keys.get('ECCPRIME256V1', 'responder'));
  const certificateDer = await responderCertificate({
    ...{ ca: issuer.certificate, caSigner: issuer.signer, spkiDer: signer.spkiDer, serial: newSerial() },
    notBefore: inDays(-1),
    notAfter: inDays(3),
  });
  const { hash: digest, algorithmDer } = signatureAlgorithmOf(signer);
  const writer = ocspWriter({ spkiDer: signer.spkiDer, signatureAlgorithm: algorithmDer, certificateDer });
  const { certIds, nonce } = readOcspRequest(requestFor(issued, idHash));
  const responses = certIds.map((certId) => ({ certIdDer: certId.der, status }));
  const tbs = writer.tbs({ responses, thisUpdate: inDays(-0.5), nextUpdate: inDays(2), nonce });
  return writer.assemble(tbs, await signer.sign(digest, tbs));
}
