import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities } from '../../authorities/authorities.js';
import { splitCertificates } from '../../pki/pem.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';

const timeoutMs = 30_000;

/**
 * Tells an issuer that a certificate is no longer in use, so that it stops counting there. Here nothing changes: it
 * stays valid.
 */
@Injectable()
export class DeactivateService {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly audit: Audit,
  ) {}

  /**
   * Throws Problem `conflict` when no issuer is known, PluginError `misconfigured` when the issuer has no such thing.
   */
  async deactivate(actor: Actor, id: number): Promise<void> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    if (certificate.authorityId === null)
      throw new Problem('conflict', 'The issuer of an imported certificate is not known here: deactivate it there.');
    const authority = await this.authorities.get(certificate.authorityId);
    await this.authorities.deactivate(
      authority,
      {
        chainPem: splitCertificates(certificate.fullChainPem),
        externalId: certificate.externalId ?? undefined,
      },
      AbortSignal.timeout(timeoutMs),
    );
    await this.db.write((tx) =>
      this.audit.record(tx, actor, { action: 'certificate.deactivated', targetType: 'certificate', targetId: id }),
    );
  }
}
