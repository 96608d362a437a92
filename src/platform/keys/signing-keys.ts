import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { signerOf } from '../../pki/sign.js';
import type { Signer } from '../../plugin-api/signer.js';
import { Clock } from '../clock.js';
import { Database, type Tx } from '../db/database.js';
import { KeyMaker, privateKeyPem } from '../key-maker.js';
import { invalid } from '../http/problem.js';
import { Log } from '../log.js';
import { KeyRing } from '../secrets/key-ring.js';
import { type KeyRef, type KeyRequest, KeyStore, type KeyStoreName } from './key-store.js';
import { Pkcs11Keys, type TokenKey } from './pkcs11-keys.js';
import { SigningKey, signingKeyPlace } from './signing-key.entity.js';

/**
 * Keeps private keys in the database, sealed under the key ring, or in a PKCS#11 token, as the request says. A Signer
 * of a sealed key holds it in the process's memory; one of a token signs inside the token.
 */
@Injectable()
export class SigningKeys extends KeyStore {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly keys: KeyMaker,
    private readonly keyRing: KeyRing,
    private readonly token: Pkcs11Keys,
    private readonly log: Log,
  ) {
    super();
  }

  async create({ keyType, userId, store = 'sealed' }: KeyRequest): Promise<{ ref: KeyRef; signer: Signer }> {
    if (store === 'pkcs11') {
      if (!this.token.isConfigured) throw invalid('keyStore', 'No PKCS#11 token is set up: set PKCS11_MODULE.');
      return this.createInToken(keyType);
    }
    const privateKey = await this.keys.make(keyType, userId);
    const signer = signerOf(privateKey);
    return { ref: await this.adopt(this.db.single, privateKey), signer };
  }

  async adopt(tx: Tx, privateKey: KeyObject): Promise<KeyRef> {
    const secretId = randomUUID();
    const sealedKey = this.keyRing.seal(privateKeyPem(privateKey), signingKeyPlace(secretId));
    return this.add(tx, { store: 'sealed', secretId, sealedKey, deviceId: null, spkiDer: null });
  }

  async signerFor(ref: KeyRef): Promise<Signer> {
    const row = await this.db.single.findOneBy(SigningKey, { id: ref });
    if (!row) throw new Error(`There is no signing key ${ref}.`);
    const inToken = tokenKeyOf(row);
    if (inToken) return this.token.signerFor(inToken);
    if (!row.sealedKey) throw new Error(`The signing key ${ref} is nowhere.`);
    return signerOf(createPrivateKey(this.keyRing.open(row.sealedKey, signingKeyPlace(row.secretId)).toString()));
  }

  async forget(ref: KeyRef): Promise<void> {
    const row = await this.db.single.findOneBy(SigningKey, { id: ref });
    await this.db.single.delete(SigningKey, { id: ref });
    // Only now: the database refuses to delete a key that an authority has.
    const inToken = row && tokenKeyOf(row);
    if (inToken) await this.destroy(inToken);
  }

  async storesOf(refs: readonly KeyRef[]): Promise<Map<KeyRef, KeyStoreName>> {
    const rows = await this.db.single.find(SigningKey, { select: { id: true, store: true }, where: { id: In(refs) } });
    return new Map(rows.map(({ id, store }) => [id, store]));
  }

  private async createInToken(keyType: string): Promise<{ ref: KeyRef; signer: Signer }> {
    const key = await this.token.create(keyType);
    try {
      const row = { store: 'pkcs11' as const, secretId: randomUUID(), sealedKey: null, ...key };
      return { ref: await this.add(this.db.single, row), signer: this.token.signerFor(key) };
    } catch (error) {
      await this.destroy(key);
      throw error;
    }
  }

  private async destroy(key: TokenKey): Promise<void> {
    await this.token.forget(key).catch((err: unknown) => {
      this.log.warn({ err, ckaId: key.deviceId.toString('hex') }, 'a key that is not used stays in the PKCS#11 token');
    });
  }

  private async add(tx: Tx, key: Omit<SigningKey, 'id' | 'createdAt'>): Promise<KeyRef> {
    const { id } = await tx.save(tx.create(SigningKey, { ...key, createdAt: this.clock.now() }));
    return id;
  }
}

function tokenKeyOf({ store, deviceId, spkiDer }: SigningKey): TokenKey | null {
  return store === 'pkcs11' && deviceId && spkiDer ? { deviceId, spkiDer } : null;
}
