import { hash } from 'node:crypto';
import * as der from './der/writer.js';
import { publicKeyBitsOf } from './key.js';
import { encodeNonce, OcspOid } from './ocsp-request.js';

/** OCSPResponseStatus of the answers without a signature (RFC 6960 §4.2.1). */
export const ocspErrors = {
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  unauthorized: 6,
} as const;
export type OcspError = keyof typeof ocspErrors;

/** CertStatus (RFC 6960 §4.2.1). `reason` is a CRLReason code (RFC 5280 §5.3.1); 0 is not written. */
export type OcspStatus = 'good' | 'unknown' | { revokedAt: Date; reason: number };

/** What is said of one certificate. */
export interface SingleResponse {
  /** The CertID of the request. */
  certIdDer: Buffer;
  status: OcspStatus;
  /** How far back the status of expired certificates is known (RFC 6960 §4.4.4). */
  archiveCutoff?: Date | undefined;
}

/** What is said in one response. Times have whole seconds. */
export interface OcspContent {
  responses: readonly SingleResponse[];
  /** When the status was known to be correct; also `producedAt`. */
  thisUpdate: Date;
  nextUpdate: Date;
  nonce: Buffer | null;
}

/** Signs for one CA: its delegated certificate (RFC 6960 §4.2.2.2), or the CA itself. */
export interface ResponderFacts {
  /** SubjectPublicKeyInfo of the signing key. */
  spkiDer: Buffer;
  /** AlgorithmIdentifier, DER. */
  signatureAlgorithm: Buffer;
  /** The delegated certificate in DER. */
  certificateDer: Buffer;
}

export interface OcspWriter {
  /** The ResponseData, DER: the bytes to sign. */
  tbs(content: OcspContent): Buffer;
  /** The OCSPResponse, DER. */
  assemble(tbs: Buffer, signature: Buffer): Buffer;
}

/** Encodes the shared parts once. The responder is named by the hash of its key. Throws PkiError `malformed-key`. */
export function ocspWriter({ spkiDer, signatureAlgorithm, certificateDer }: ResponderFacts): OcspWriter {
  const responderId = der.explicit(2, der.octetString(hash('sha1', publicKeyBitsOf(spkiDer), 'buffer')));
  const certificates = der.explicit(0, der.sequence(certificateDer));
  const type = der.oid(OcspOid.basicResponse);
  const successful = der.tlv(0x0a, Buffer.from([0]));
  return {
    tbs({ responses, thisUpdate, nextUpdate, nonce }) {
      const thisDer = der.generalizedTime(thisUpdate);
      const times = Buffer.concat([thisDer, der.explicit(0, der.generalizedTime(nextUpdate))]);
      return der.sequence(
        responderId,
        thisDer,
        der.sequence(...responses.map((one) => singleResponse(one, times))),
        ...(nonce === null ? [] : [der.explicit(1, der.sequence(encodeNonce(nonce)))]),
      );
    },
    assemble(tbs, signature) {
      const basic = der.sequence(tbs, signatureAlgorithm, der.bitString(signature), certificates);
      return der.sequence(successful, der.explicit(0, der.sequence(type, der.octetString(basic))));
    },
  };
}

function singleResponse({ certIdDer, status, archiveCutoff }: SingleResponse, times: Buffer): Buffer {
  return der.sequence(certIdDer, statusDer(status), times, ...(archiveCutoff ? [cutoffDer(archiveCutoff)] : []));
}

function statusDer(status: OcspStatus): Buffer {
  if (status === 'good') return der.implicit(0, Buffer.alloc(0));
  if (status === 'unknown') return der.implicit(2, Buffer.alloc(0));
  const { revokedAt, reason } = status;
  const time = der.generalizedTime(revokedAt);
  // As in a CRL, `unspecified` is said by leaving the reason out (RFC 5280 §5.3.1).
  const reasonDer = reason === 0 ? [] : [der.explicit(0, der.tlv(0x0a, Buffer.from([reason])))];
  return der.implicit(1, Buffer.concat([time, ...reasonDer]), true);
}

function cutoffDer(archiveCutoff: Date): Buffer {
  const value = der.octetString(der.generalizedTime(archiveCutoff));
  return der.explicit(1, der.sequence(der.sequence(der.oid(OcspOid.archiveCutoff), value)));
}

/** An OCSPResponse without responseBytes, DER. */
export function ocspErrorResponse(error: OcspError): Buffer {
  return der.sequence(der.tlv(0x0a, Buffer.from([ocspErrors[error]])));
}
