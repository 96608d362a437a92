import { Injectable } from '@nestjs/common';
import type { Signer } from '../plugin-api/signer.js';
import { Database } from '../platform/db/database.js';
import { type KeyRef, KeyStore } from '../platform/keys/key-store.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityIssuerRepository } from './authority-issuer.repository.js';
import type { CaChain } from './ca-chain.js';

/** A key with which an authority signs or has signed, with the certificate of that key that ends last. */
export interface IssuingKey extends CaChain {
  readonly keyId: KeyRef;
}

/** The keys of authorities that are here, also of those that are not active: they still sign revocation. */
@Injectable()
export class AuthorityKeys {
  constructor(
    private readonly db: Database,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuerRepository,
    private readonly keys: KeyStore,
  ) {}

  /**
   * The present key first, then earlier ones: they sign the revocation of what they issued. Empty when the key is
   * elsewhere. Throws Problem `not-found`.
   */
  async of(authorityId: number): Promise<IssuingKey[]> {
    const tx = this.db.single;
    const { keyId, certificatePem, chainPem } = await this.repository.get(tx, authorityId);
    const found = new Map<KeyRef, IssuingKey>(keyId === null ? [] : [[keyId, { keyId, certificatePem, chainPem }]]);
    const issuers = await this.issuers.of(tx, authorityId);
    for (const issuer of issuers.toSorted((a, b) => b.notAfter.getTime() - a.notAfter.getTime()))
      if (issuer.keyId !== null && !found.has(issuer.keyId))
        found.set(issuer.keyId, {
          keyId: issuer.keyId,
          certificatePem: issuer.certificatePem,
          chainPem: issuer.chainPem,
        });
    return [...found.values()];
  }

  /** Throws when the key is gone or cannot be opened; the text is for the log. */
  signerFor({ keyId }: Pick<IssuingKey, 'keyId'>): Promise<Signer> {
    return this.keys.signerFor(keyId);
  }
}
