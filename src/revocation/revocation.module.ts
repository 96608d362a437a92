import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { AuthoritiesModule } from '../authorities/authorities.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { CaCertificates } from './ca-certificates.js';
import { CertifiedCas } from './certified-cas.js';
import { CrlController } from './crl.controller.js';
import { CrlMaker } from './crl-maker.js';
import { CrlJob, CrlLists } from './crl.job.js';
import { CrlRepository } from './crl.repository.js';
import { CrlMetrics } from './crl-metrics.js';
import { CrlState } from './crl-state.js';
import { Crls } from './crls.js';
import { ImportedCrlRepository } from './imported-crl.repository.js';
import { OcspIssuers } from './ocsp/ocsp-issuers.js';
import { OcspMetrics } from './ocsp/ocsp-metrics.js';
import { OcspResponderMaker, OcspResponderSweep } from './ocsp/ocsp-responder-maker.js';
import { OcspResponderRepository } from './ocsp/ocsp-responder.repository.js';
import { OcspResponders } from './ocsp/ocsp-responders.js';
import { OcspStatuses } from './ocsp/ocsp-statuses.js';
import { OcspController } from './ocsp/ocsp.controller.js';
import { OcspHttp } from './ocsp/ocsp-http.js';
import { OcspService } from './ocsp/ocsp.service.js';
import { ImportedRevocations } from './imported-revocations.js';
import { PkiController } from './pki.controller.js';
import { earlyOcsp } from './pki.surfaces.js';
import { Revocations } from './revocations.js';
import { RevokedRepository } from './revoked.repository.js';
import { RevocationCheck } from './verify/revocation-check.js';
import { RevocationSources } from './verify/revocation-sources.js';
import { TrustAnchors } from './verify/trust-anchors.js';
import { Verification } from './verify/verification.js';

/** What the CAs whose key is here publish about what they issued, and the verification of anybody's certificates. */
@Module({
  imports: [AuditModule, AuthoritiesModule, JobsModule],
  controllers: [CrlController, OcspController, PkiController],
  providers: [
    CaCertificates,
    CertifiedCas,
    CrlJob,
    CrlLists,
    CrlMaker,
    CrlRepository,
    Crls,
    ImportedCrlRepository,
    ImportedRevocations,
    CrlState,
    CrlMetrics,
    OcspHttp,
    { provide: earlyOcsp, useExisting: OcspHttp },
    OcspIssuers,
    OcspMetrics,
    OcspResponderMaker,
    OcspResponderRepository,
    OcspResponderSweep,
    OcspResponders,
    OcspService,
    OcspStatuses,
    Revocations,
    RevokedRepository,
    RevocationCheck,
    RevocationSources,
    TrustAnchors,
    Verification,
  ],
  exports: [CertifiedCas, CrlRepository, ImportedRevocations, OcspStatuses, RevocationCheck, Revocations, Verification],
})
export class RevocationModule {}
