import { Injectable } from '@nestjs/common';
import { splitCertificates } from '../pki/pem.js';
import type { Bundle } from '../plugin-api/plugin.js';
import { Problem } from '../platform/http/problem.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { Certificate } from './certificate.entity.js';
import { keyPlace } from './issue/new-row.js';

/** Makes what leaves the house: the only place that opens a certificate's key. */
@Injectable()
export class Bundles {
  constructor(private readonly keyRing: KeyRing) {}

  /** Without the key. Throws Problem `wrong-state` when the certificate is not issued. */
  public(certificate: Certificate): Bundle {
    return {
      name: certificate.name,
      commonName: certificate.commonName,
      serialHex: certificate.serialHex ?? '',
      chainPem: splitCertificates(certificate.fullChainPem),
    };
  }

  /** With the key. Throws Problem `conflict` when it is not kept here. */
  withKey(certificate: Certificate): Bundle {
    return { ...this.public(certificate), privateKeyPem: this.key(certificate) };
  }

  /** PKCS#8 PEM. Throws Problem `conflict` when the key is not kept here. */
  key(certificate: Certificate): string {
    if (!certificate.sealedKey) throw new Problem('conflict', `The private key of ${certificate.name} is not kept here.`);
    return this.keyRing.open(certificate.sealedKey, keyPlace(certificate.secretId)).toString();
  }
}
