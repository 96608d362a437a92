import { Injectable } from '@nestjs/common';
import { parseCertificate } from '../pki/certificate.js';
import { serviceUrls } from '../pki/extension-reader.js';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { listAnew } from './crl.job.js';
import { CrlRepository } from './crl.repository.js';
import { removeFromCrl, RevokedRepository } from './revoked.repository.js';

/** A certificate and the authority that issued it. */
export interface Issued {
  authorityId: number;
  certificatePem: string;
}

/** `reason` is a CRLReason code (RFC 5280 §5.3.1): certificateHold holds, all others revoke for good. */
export interface RevocationOf {
  reason: number;
  revokedAt: Date;
  invalidityDate?: Date | null;
}

/**
 * Stores what authorities whose key is here revoke, in the transaction that causes it, and has their CRLs made anew.
 */
@Injectable()
export class Revocations {
  constructor(
    private readonly clock: Clock,
    private readonly revoked: RevokedRepository,
    private readonly lists: CrlRepository,
  ) {}

  /**
   * Revokes or holds. Does nothing when the key of the authority is elsewhere, or the certificate is revoked already;
   * false then.
   */
  async add(tx: Tx, { authorityId, certificatePem }: Issued, given: RevocationOf): Promise<boolean> {
    const { serialHex, notAfter, extensions } = parseCertificate(certificatePem);
    const urls = serviceUrls(extensions).crl;
    const { reason, revokedAt, invalidityDate = null } = given;
    const revocation = { authorityId, serialHex, notAfter, urls, reason, revokedAt, invalidityDate };
    const isNew = await this.revoked.add(tx, revocation);
    if (isNew) await this.listAnew(tx, authorityId, serialHex);
    return isNew;
  }

  /** As the reason says: removeFromCRL ends a hold, all others are as in `add`. */
  async apply(tx: Tx, issued: Issued, given: RevocationOf): Promise<void> {
    if (given.reason !== removeFromCrl) return void (await this.add(tx, issued, given));
    const { authorityId } = issued;
    const { serialHex } = parseCertificate(issued.certificatePem);
    if (await this.revoked.release(tx, authorityId, serialHex, this.clock.now()))
      await this.listAnew(tx, authorityId, serialHex);
  }

  private async listAnew(tx: Tx, authorityId: number, serialHex: string): Promise<void> {
    await listAnew(tx, await this.lists.holding(tx, authorityId, serialHex), this.clock.now());
  }
}
