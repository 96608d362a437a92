import type { RawExtension } from '../plugin-api/terms.js';
import * as der from './der/writer.js';
import { authorityKeyIdentifier, checkDistinct, encodeExtension } from './extensions.js';

/** The parts that all certificates of one issuer share. */
export interface CertificateTemplate {
  /** Subject DN of the issuing CA, DER. */
  issuerDer: Buffer;
  issuerKeyIdentifier: Buffer;
  /** AlgorithmIdentifier, DER. */
  signatureAlgorithm: Buffer;
  constantExtensions: readonly RawExtension[];
}

/** The parts that differ. `serial` is an unsigned magnitude of at most 20 octets (RFC 5280 §4.1.2.2). */
export interface CertificateContent {
  serial: Buffer;
  notBefore: Date;
  notAfter: Date;
  subjectDer: Buffer;
  spkiDer: Buffer;
  extensions: readonly RawExtension[];
}

export interface CertificateWriter {
  /** The TBSCertificate, DER: the bytes to sign. Throws PkiError `bad-extension` for a repeated extension. */
  tbs(content: CertificateContent): Buffer;
  /** The certificate, DER. */
  assemble(tbs: Buffer, signature: Buffer): Buffer;
}

/** Validity, DER (RFC 5280 §4.1.2.5): whole seconds. */
export function encodeValidity(notBefore: Date, notAfter: Date): Buffer {
  return der.sequence(der.time(notBefore), der.time(notAfter));
}

/** Encodes the shared parts once; each certificate then costs a few copies. */
export function certificateWriter(template: CertificateTemplate): CertificateWriter {
  const { issuerDer, signatureAlgorithm, issuerKeyIdentifier } = template;
  const constant = [authorityKeyIdentifier(issuerKeyIdentifier), ...template.constantExtensions];
  const constantOids = constant.map(({ oid }) => oid);
  const constantDer = Buffer.concat(constant.map(encodeExtension));
  const version = der.explicit(0, der.integer(2));
  return {
    tbs({ serial, notBefore, notAfter, subjectDer, spkiDer, extensions }) {
      checkDistinct([...constantOids, ...extensions.map(({ oid }) => oid)]);
      return der.sequence(
        version,
        der.integer(serial),
        signatureAlgorithm,
        issuerDer,
        encodeValidity(notBefore, notAfter),
        subjectDer,
        spkiDer,
        der.explicit(3, der.sequence(constantDer, ...extensions.map(encodeExtension))),
      );
    },
    assemble: (tbs, signature) => der.sequence(tbs, signatureAlgorithm, der.bitString(signature)),
  };
}
