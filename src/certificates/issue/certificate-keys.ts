import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { buildCsr } from '../../pki/csr.js';
import { keyTypeOf, spkiOf } from '../../pki/key.js';
import { toPem } from '../../pki/pem.js';
import { KeyMaker, privateKeyPem } from '../../platform/key-maker.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import type { TermsWithoutDates } from '../terms.js';
import type { IssueCommand } from './issue-command.js';
import { type CertificateKey, keyPlace } from './new-row.js';

/** The keys of new certificates: those of CSRs, and new ones. */
@Injectable()
export class CertificateKeys {
  constructor(
    private readonly keys: KeyMaker,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * The key of the command's CSR, or a new one, sealed at once, with a CSR that proves it. `terms` are approved ones.
   * Throws as KeyMaker.
   */
  async of(
    { key: { csr, keyType }, actor }: Pick<IssueCommand, 'key' | 'actor'>,
    terms: TermsWithoutDates,
  ): Promise<CertificateKey & { csrPem: string }> {
    const secretId = randomUUID();
    if (csr) {
      const csrPem = toPem('CERTIFICATE REQUEST', csr.der);
      return { secretId, sealedKey: null, csrPem, spkiDer: csr.spkiDer, keyType: csr.keyType, bits: csr.bits };
    }
    const privateKey = await this.keys.make(keyType, actor.userId);
    const spkiDer = spkiOf(privateKey);
    return {
      spkiDer,
      ...keyTypeOf(spkiDer),
      secretId,
      sealedKey: this.keyRing.seal(privateKeyPem(privateKey), keyPlace(secretId)),
      csrPem: await buildCsr(terms, privateKey),
    };
  }
}
