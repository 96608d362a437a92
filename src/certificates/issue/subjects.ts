import { Injectable } from '@nestjs/common';
import { buildCsr } from '../../pki/csr.js';
import { keyTypeOf, spkiOf } from '../../pki/key.js';
import { KeyMaker, privateKeyPem } from '../../platform/key-maker.js';
import { KeyRing } from '../../platform/secrets/key-ring.js';
import type { TermsWithoutDates } from '../terms.js';
import { keyPlace, type Subject } from './new-row.js';

/** Makes keys for certificates, sealed at once, and the CSRs that prove them. */
@Injectable()
export class Subjects {
  constructor(
    private readonly keys: KeyMaker,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * `secretId` binds the sealed key to the row that it is for; `userId` is of who asked, 0 for the program. Throws as
   * KeyMaker.
   */
  async make(
    keyType: string,
    terms: TermsWithoutDates,
    secretId: string,
    userId: number,
  ): Promise<Subject & { csrPem: string }> {
    const privateKey = await this.keys.make(keyType, userId);
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
