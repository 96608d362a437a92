import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { generatePrivateKey } from '../pki/key.js';

/** Making RSA keys keeps a thread of the pool busy for seconds; of its four, two stay free for signing and files. */
const rsaAtOnce = 2;

/** Makes private keys off the event loop, and RSA keys only a few at a time. */
@Injectable()
export class KeyMaker {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** `keyType` as in pki/key.ts. Throws PkiError `unsupported-key`. */
  async make(keyType: string): Promise<KeyObject> {
    if (!keyType.startsWith('RSA')) return generatePrivateKey(keyType);
    if (this.running >= rsaAtOnce) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running += 1;
    try {
      return await generatePrivateKey(keyType);
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running -= 1;
    }
  }
}


/** PKCS#8 PEM, unencrypted: the form in which keys are sealed and delivered. */
export function privateKeyPem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
