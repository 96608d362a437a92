import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository, type NewRow } from '../certificate.repository.js';
import { DiscoveredRepository } from '../discover/discovered.repository.js';
import { SourceLinkRepository } from '../discover/source-link.repository.js';
import { keyProofOf } from '../key-proof.js';
import { holdsPrecertificateOf } from '../precertificate.js';

/** A stored certificate. `onlyLogged`: public logs show it, and no other source has found it. */
export interface KnownCertificate {
  certificate: Certificate;
  onlyLogged: boolean;
}

/** Finds the stored certificate that an upload is. */
@Injectable()
export class KnownCertificates {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly discovered: DiscoveredRepository,
    private readonly links: SourceLinkRepository,
  ) {}

  /**
   * The row with the fingerprint of the upload, otherwise with its issuer and serial number, otherwise the one that
   * holds its precertificate. Null when the upload is new.
   */
  async find(tx: Tx, row: NewRow): Promise<KnownCertificate | null> {
    const twins = await this.certificates.twinsOf(tx, row);
    const twin = twins.find(({ sha256 }) => sha256 === row.sha256) ?? twins[0];
    const certificate = twin ?? (await this.precertificateOf(tx, row));
    return certificate && { certificate, onlyLogged: await this.links.isOnlyLogged(tx, certificate.id) };
  }

  /** The stored precertificate of the upload. Its issuer is not known as the same where one came without a chain. */
  private async precertificateOf(tx: Tx, { spkiSha256, serialHex, bodyPem }: NewRow): Promise<Certificate | null> {
    if (!serialHex || !bodyPem) return null;
    const same = await this.discovered.withSameKey(tx, [{ spkiSha256, serialHex }]);
    for (const { id } of same.filter(({ isOpen }) => !isOpen)) {
      const stored = await this.certificates.get(tx, id);
      if (holdsPrecertificateOf(stored, { bodyPem })) return stored;
    }
    return null;
  }
}

/**
 * Whether an upload without proof of the key may take over a stored certificate: nobody has proved to have its key, and
 * only public logs show it, so that nobody is warned before it expires.
 */
export function isUnclaimed({ certificate, onlyLogged }: KnownCertificate): boolean {
  return onlyLogged && keyProofOf(certificate) === 0 && !certificate.watched;
}
