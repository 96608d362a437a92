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

/** Gets the key of a new certificate: the public key of its CSR, or a new key pair, whose private key is sealed. */
@Injectable()
export class CertificateKeys {
  constructor(
    private readonly keys: KeyMaker,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * The key of the command's CSR, or a new sealed key with a CSR that is signed with it. `terms`: the approved ones.
   * Throws like KeyMaker.
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
