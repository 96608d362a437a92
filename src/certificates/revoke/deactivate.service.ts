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
 * Deactivates a certificate: tells its issuer that it is no longer used, so that the issuer does not count it. The
 * certificate stays valid, and nothing changes here.
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
   * Throws Problem `conflict` when its issuer is unknown, PluginError `misconfigured` when the issuer cannot do this.
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
