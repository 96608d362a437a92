import { Injectable } from '@nestjs/common';
import type { Authority } from '../authorities/authority.entity.js';
import { AuthorityIssuerRepository } from '../authorities/authority-issuer.repository.js';
import { AuthorityRepository } from '../authorities/authority.repository.js';
import type { CaChain } from '../authorities/ca-chain.js';
import { AuthorityRemoval } from '../authorities/delete-authority.js';
import { isSignedBy, parseCertificate } from '../pki/certificate.js';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import type { Issued } from './revocations.js';
import { RevokedRepository } from './revoked.repository.js';

/** Which certificates of an authority have been signed by other authorities whose key is here. */
@Injectable()
export class CertifiedCas {
  constructor(
    private readonly clock: Clock,
    private readonly repository: AuthorityRepository,
    private readonly issuers: AuthorityIssuerRepository,
    private readonly revoked: RevokedRepository,
    removal: AuthorityRemoval,
  ) {
    removal.demandBefore((tx, authority) => this.demandRevoked(tx, authority));
  }

  /** The certificates of the authority that `signers` have signed, each with its signer. */
  async of(tx: Tx, authority: Pick<Authority, 'id' | 'certificatePem'>, signers: readonly number[]): Promise<Issued[]> {
    const own = new Set([authority, ...(await this.issuers.of(tx, authority.id))].map((one) => one.certificatePem));
    const certified: Issued[] = [];
    for (const authorityId of signers) {
      const keys = [await this.repository.get(tx, authorityId), ...(await this.issuers.of(tx, authorityId))];
      for (const certificatePem of await signedBy(keys, [...own])) certified.push({ authorityId, certificatePem });
    }
    return certified;
  }

  /**
   * Only while the authority is here can its certificates be revoked. Throws Problem `conflict` while one is valid that
   * an authority here has signed and no other authority has.
   */
  private async demandRevoked(tx: Tx, authority: Authority): Promise<void> {
    const signers: Authority[] = [];
    for (const id of await this.repository.signersOf(tx, authority)) signers.push(await this.repository.get(tx, id));
    const ids = signers.filter(({ keyId }) => keyId !== null).map(({ id }) => id);
    const shared = new Set(await this.issuers.sharedOf(tx, authority.id));
    const valid: string[] = [];
    for (const { authorityId, certificatePem } of await this.of(tx, authority, ids)) {
      const { serialHex, notAfter } = parseCertificate(certificatePem);
      if (notAfter <= this.clock.now() || shared.has(certificatePem)) continue;
      if (await this.revoked.isRevoked(tx, authorityId, serialHex)) continue;
      valid.push(`${serialHex} by ${signers.find(({ id }) => id === authorityId)?.name ?? ''}`);
    }
    if (valid.length === 0) return;
    throw new Problem(
      'conflict',
      `Authority ${authority.name} has valid certificates that could not be revoked any more (${valid.join(', ')}). ` +
        `Revoke it first with PUT /authorities/${authority.id}/revoke.`,
    );
  }
}

/** Those of `certificates` that a key of `signers` has signed. */
async function signedBy(
  signers: readonly Pick<CaChain, 'certificatePem'>[],
  certificates: readonly string[],
): Promise<string[]> {
  const keys = signers.map(({ certificatePem }) => parseCertificate(certificatePem));
  const signed: string[] = [];
  for (const certificatePem of certificates) {
    const certificate = parseCertificate(certificatePem);
    const checks = await Promise.all(keys.map((key) => isSignedBy(certificate, key)));
    if (checks.includes(true)) signed.push(certificatePem);
  }
  return signed;
}
