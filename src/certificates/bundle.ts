import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../audit/audit.js';
import { splitCertificates } from '../pki/pem.js';
import type { Bundle } from '../plugin-api/export.js';
import type { Tx } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import { KeyRing } from '../platform/secrets/key-ring.js';
import type { Certificate } from './certificate.entity.js';
import { keyPlace } from './issue/new-row.js';

/** Why a private key is opened, for the audit log. */
export interface KeyOpening {
  actor: AuditActor;
  action: 'key.viewed' | 'key.exported';
  after: object;
}

/** Makes the bundles that exports and destinations get. The only place that opens the private key of a certificate. */
@Injectable()
export class Bundles {
  constructor(
    private readonly keyRing: KeyRing,
    private readonly audit: Audit,
  ) {}

  /** Without the private key. Throws Problem `wrong-state` when the certificate is not issued. */
  public(certificate: Certificate): Bundle {
    return {
      name: certificate.name,
      commonName: certificate.commonName,
      serialHex: certificate.serialHex ?? '',
      chainPem: splitCertificates(certificate.fullChainPem),
    };
  }

  /** With the private key, as an audit event of `tx`. Throws Problem `conflict` when the key is not stored here. */
  async withKey(tx: Tx, certificate: Certificate, opening: KeyOpening): Promise<Bundle> {
    return { ...this.public(certificate), privateKeyPem: await this.key(tx, certificate, opening) };
  }

  /**
   * With the private key, for a destination; the audit event follows when the delivery has arrived. Throws Problem
   * `conflict` when the key is not stored here, KeyRingError when it cannot be opened.
   */
  toDeliver(certificate: Certificate): Bundle {
    return { ...this.public(certificate), privateKeyPem: this.open(certificate) };
  }

  /**
   * The private key as PKCS#8 PEM, as an audit event of `tx`. Throws Problem `conflict` when the key is not stored
   * here.
   */
  async key(tx: Tx, certificate: Certificate, { actor, action, after }: KeyOpening): Promise<string> {
    const pem = this.open(certificate);
    await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId: certificate.id, after });
    return pem;
  }

  private open(certificate: Certificate): string {
    if (!certificate.sealedKey)
      throw new Problem('conflict', `The private key of ${certificate.name} is not kept here.`);
    return this.keyRing.open(certificate.sealedKey, keyPlace(certificate.secretId)).toString();
  }
}
