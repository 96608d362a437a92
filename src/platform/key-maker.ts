import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { generatePrivateKey } from '../pki/key.js';
import { FairQueue } from './fair-queue.js';

/** Generating an RSA key occupies a pool thread for seconds; two of the four stay free for signing and files. */
const rsaLimits = { atOnce: 2, mostWaiting: 50, mostWaitingOfUser: 10 };

/** Generates private keys off the event loop, and only a few RSA keys at a time. */
@Injectable()
export class KeyMaker {
  private readonly rsa = new FairQueue(rsaLimits);

  /**
   * `keyType` as in pki/key.ts; `userId` is 0 for the program itself. Throws PkiError `unsupported-key`, Problem
   * `unavailable` when too many wait for RSA keys.
   */
  make(keyType: string, userId: number): Promise<KeyObject> {
    return keyType.startsWith('RSA')
      ? this.rsa.run(userId, () => generatePrivateKey(keyType))
      : generatePrivateKey(keyType);
  }
}

/** PKCS#8 PEM, unencrypted: the form in which keys are sealed and delivered. */
export function privateKeyPem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
