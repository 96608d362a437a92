import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { signerOf } from '../../pki/sign.js';
import type { Signer } from '../../plugin-api/signer.js';
import { Clock } from '../clock.js';
import { Database, type Tx } from '../db/database.js';
import { KeyMaker, privateKeyPem } from '../key-maker.js';
import { KeyRing } from '../secrets/key-ring.js';
import { type KeyRef, type KeyRequest, KeyStore } from './key-store.js';
import { SigningKey, signingKeyPlace } from './signing-key.entity.js';

/** Keeps private keys in the database, sealed under the key ring. A Signer holds its key in the process's memory. */
@Injectable()
export class SealedKeyStore extends KeyStore {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly keys: KeyMaker,
    private readonly keyRing: KeyRing,
  ) {
    super();
  }

  async create({ keyType, userId }: KeyRequest): Promise<{ ref: KeyRef; signer: Signer }> {
    const privateKey = await this.keys.make(keyType, userId);
    const signer = signerOf(privateKey);
    return { ref: await this.adopt(this.db.single, privateKey), signer };
  }

  async adopt(tx: Tx, privateKey: KeyObject): Promise<KeyRef> {
    const secretId = randomUUID();
    const sealedKey = this.keyRing.seal(privateKeyPem(privateKey), signingKeyPlace(secretId));
    const { id } = await tx.save(tx.create(SigningKey, { secretId, sealedKey, createdAt: this.clock.now() }));
    return id;
  }

  async signerFor(ref: KeyRef): Promise<Signer> {
    const row = await this.db.single.findOneBy(SigningKey, { id: ref });
    if (!row) throw new Error(`There is no signing key ${ref}.`);
    return signerOf(createPrivateKey(this.keyRing.open(row.sealedKey, signingKeyPlace(row.secretId)).toString()));
  }

  async forget(ref: KeyRef): Promise<void> {
    await this.db.single.delete(SigningKey, { id: ref });
  }
}
