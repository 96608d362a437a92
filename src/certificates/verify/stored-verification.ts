import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { parseCertificate } from '../../pki/certificate.js';
import { splitCertificates } from '../../pki/pem.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Verified } from '../../revocation/verify/verification.js';
import { CertificateAccess } from '../access.js';
import { CertificateRepository } from '../certificate.repository.js';
import { RevocationChecking } from './revocation-checking.js';
import type { VerifyStoredRequest } from './verify.schema.js';
import { VerifyService } from './verify.service.js';
import { checkedStatus } from './verify.view.js';

/** Verifies a stored certificate with its chain, and stores what its CA says of its revocation. */
@Injectable()
export class StoredVerification {
  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly access: CertificateAccess,
    private readonly service: VerifyService,
    private readonly checking: RevocationChecking,
    private readonly audit: Audit,
  ) {}

  /** Throws Problem `not-found`, `forbidden`, or `wrong-state` before the certificate is issued. */
  async verify(actor: Actor, id: number, request: VerifyStoredRequest): Promise<Verified> {
    const certificate = await this.certificates.get(this.db.single, id);
    await this.access.demandChange(this.db.single, actor, certificate);
    if (certificate.bodyPem === null)
      throw new Problem(
        'wrong-state',
        `Certificate ${certificate.name} is ${certificate.state}: there is nothing to verify.`,
      );
    const leaf = parseCertificate(certificate.bodyPem);
    const intermediates = splitCertificates(certificate.fullChainPem)
      .slice(1)
      .map((pem) => parseCertificate(pem));
    const verified = await this.service.run(actor, { leaf, intermediates }, request);
    const facts = request.revocation ? (verified.revocation[0] ?? (await this.checking.askAbout(certificate))) : null;
    if (facts && request.time === undefined) await this.checking.store(actor, id, facts);
    await this.audit.record(this.db.single, actor, {
      action: 'certificate.verified',
      targetType: 'certificate',
      targetId: id,
      after: { valid: verified.valid, ...(facts && { revocation: checkedStatus(facts) }) },
    });
    return verified;
  }
}
