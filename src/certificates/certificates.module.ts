import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { AuthoritiesModule } from '../authorities/authorities.module.js';
import { ChallengesModule } from '../challenges/challenges.module.js';
import { DestinationsModule } from '../destinations/destinations.module.js';
import { DomainsModule } from '../domains/domains.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { AuthorityRevocationController } from './revoke/authority-revocation.controller.js';
import { AuthorityRevocation } from './revoke/authority-revocation.service.js';
import { RevocationModule } from '../revocation/revocation.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { ProfilesModule } from '../profiles/profiles.module.js';
import { RotationModule } from '../rotation/rotation.module.js';
import { SourcesModule } from '../sources/sources.module.js';
import { CertificateAccess } from './access.js';
import { Admission } from './admission.js';
import { AdoptController } from './adopt/adopt.controller.js';
import { AdoptService } from './adopt/adopt.service.js';
import { AuthorityExpirySweep } from './authority-expiry/authority-expiry.sweep.js';
import { EndingAuthorityRepository } from './authority-expiry/ending-authority.repository.js';
import { BulkController } from './bulk/bulk.controller.js';
import { CertificateSelection } from './bulk/certificate-selection.js';
import { BulkService } from './bulk/bulk.service.js';
import { Bundles } from './bundle.js';
import { CertificateRepository } from './certificate.repository.js';
import { CurrentController } from './current/current.controller.js';
import { CurrentRepository } from './current/current.repository.js';
import { deployProviders } from './deploy/deploy-providers.js';
import { DeliveryController } from './deploy/delivery.controller.js';
import { DestinationFilterController } from './deploy/destination-filter.controller.js';
import { DeleteController } from './delete/delete.controller.js';
import { DeleteService, RestoreService } from './delete/delete.service.js';
import { discoveryProviders } from './discover/discovery-providers.js';
import { EndpointController } from './discover/endpoint.controller.js';
import { CertificateSourcesController, FoundController } from './discover/source.controller.js';
import { DueRepository } from './due.repository.js';
import { FileController } from './export/file.controller.js';
import { ExportController } from './export/export.controller.js';
import { ExportService } from './export/export.service.js';
import { HistoryController } from './history/history.controller.js';
import { ImportedRows } from './import/imported-rows.js';
import { BulkUploadController } from './import/bulk-upload.controller.js';
import { BulkUploadService } from './import/bulk-upload.service.js';
import { KnownCertificates } from './import/known-certificates.js';
import { TakeOver } from './import/take-over.js';
import { UploadController } from './import/upload.controller.js';
import { UploadAuthority, UploadService, UploadStore } from './import/upload.service.js';
import { Approval } from './issue/approval.js';
import { Profiling } from './issue/profiling.js';
import { CertificateKeys } from './issue/certificate-keys.js';
import { CertificateStore } from './issue/certificate-store.js';
import { Orders } from './issue/orders.js';
import { SignController } from './issue/sign.controller.js';
import { IssueController } from './issue/issue.controller.js';
import { IssueJob } from './issue/issue.job.js';
import { IssueFollowUp } from './issue/issue-follow-up.js';
import { IssueRecord } from './issue/issue.record.js';
import { IssueService } from './issue/issue.service.js';
import { UnstoredIssuing } from './issue/unstored-issuing.js';
import { KeyRules } from './issue/key-rules.js';
import { Issuing } from './issue/issuing.js';
import { OrderRepository } from './issue/order.repository.js';
import { Ordering } from './issue/ordering.js';
import { AnswerCheck } from './issue/answer-check.js';
import { Completion } from './issue/completion.js';
import { Twins } from './issue/twins.js';
import { CertificateInLog } from './list/certificate-in-log.js';
import { CertificateReader } from './list/certificate-reader.js';
import { CertificateViews } from './certificate.view.js';
import { CertificateFinder } from './list/certificate-finder.js';
import { CertificateLists } from './list/certificate-lists.js';
import { IssuedCertificateRepository } from './list/issued-certificate.repository.js';
import { IssuedCertificates } from './list/issued-certificates.js';
import { LinkedController } from './list/linked.controller.js';
import {
  DestinationStatsController,
  ListController,
  NotificationCertificatesController,
} from './list/list.controller.js';
import { RetirementSweep } from './list/retirement.sweep.js';
import { SelectionBuilder } from './list/selection-builder.js';
import { Statistics } from './list/statistics.js';
import { notifyControllers, notifyProviders } from './notify/notify-providers.js';
import { PendingChangesController, PendingController } from './pending/pending.controller.js';
import { DisputeRecord, DisputeService } from './pending/dispute.service.js';
import { PendingService } from './pending/pending.service.js';
import { Planning } from './planning.js';
import { RelationRights } from './relation-rights.js';
import { Relations } from './relations.js';
import { RevocationRunController } from './revoke-many/revocation-run.controller.js';
import { RevocationKind } from './revoke-many/revocation-kind.js';
import { RevocationRuns } from './revoke-many/revocation-runs.js';
import { runProviders } from './runs/run-providers.js';
import { RevocationImport } from './revoke/revocation-import.service.js';
import { DeactivateService } from './revoke/deactivate.service.js';
import { IssuedStatusRepository } from './revoke/issued-status.repository.js';
import { HoldService } from './revoke/hold.service.js';
import { RevokeController } from './revoke/revoke.controller.js';
import { RevokeConsequences, RevokeRecord, RevokeRights, RevokeService } from './revoke/revoke.service.js';
import { ReplacementController } from './replace-many/replacement.controller.js';
import { replacementProviders } from './replace-many/replacement-providers.js';
import { RotateController } from './rotate/rotate.controller.js';
import { ProfilePreviewController } from './rotate/profile-preview.controller.js';
import { RotationController } from './rotate/rotation.controller.js';
import { rotationProviders } from './rotate/rotation-providers.js';
import { CertificateUse } from './certificate-use.js';
import { Reinstating } from './reinstating.js';
import { Settling } from './settling.js';
import { Successors } from './successors.js';
import { AcceptService } from './update/accept.service.js';
import { Relinking } from './update/relinking.js';
import { UpdateController } from './update/update.controller.js';
import { UpdateRights } from './update/update-rights.js';
import { UpdateChanges, UpdateLookup, UpdateService } from './update/update.service.js';
import { VouchingRoleRenames } from './update/vouching-role-renames.js';
import { UsualRelationRepository } from './usual-relations.js';
import { CheckRevocationJob } from './verify/check-revocation.job.js';
import { RevocationCheckRepository } from './verify/revocation-check.repository.js';
import { RevocationChecking, RevocationRecord } from './verify/revocation-checking.js';
import { StoredVerification } from './verify/stored-verification.js';
import { VerifyController } from './verify/verify.controller.js';
import { VerifyService } from './verify/verify.service.js';
import { VisualizeController } from './visualize/visualize.controller.js';
import { VisualizeService } from './visualize/visualize.service.js';
import { WithdrawJob, WithdrawRecord } from './withdraw/withdraw.job.js';
import { WithdrawalRepository } from './withdraw/withdrawal.repository.js';
import { Withdrawals } from './withdraw/withdrawals.js';

/**
 * All use cases of certificates, from request to end, and what their folders share. Controllers whose paths have a
 * fixed word come before those with `:id`. What it exports is for the dialects.
 */
@Module({
  imports: [
    AuditModule,
    AuthModule,
    AuthoritiesModule,
    ChallengesModule,
    DestinationsModule,
    DomainsModule,
    JobsModule,
    NotificationsModule,
    RevocationModule,
    RolesModule,
    ProfilesModule,
    RotationModule,
    SourcesModule,
  ],
  controllers: [
    IssueController,
    SignController,
    UploadController,
    BulkController,
    ListController,
    LinkedController,
    NotificationCertificatesController,
    DestinationStatsController,
    UpdateController,
    AdoptController,
    BulkUploadController,
    DeleteController,
    HistoryController,
    ExportController,
    FileController,
    RevokeController,
    ReplacementController,
    RevocationRunController,
    AuthorityRevocationController,
    RotateController,
    RotationController,
    ProfilePreviewController,
    VerifyController,
    VisualizeController,
    CurrentController,
    DeliveryController,
    DestinationFilterController,
    PendingController,
    PendingChangesController,
    EndpointController,
    FoundController,
    CertificateSourcesController,
    ...notifyControllers,
  ],
  providers: [
    AuthorityRevocation,
    CertificateRepository,
    DueRepository,
    Admission,
    CertificateAccess,
    Bundles,
    Planning,
    Relations,
    RelationRights,
    UsualRelationRepository,
    CertificateReader,
    CertificateViews,
    CertificateInLog,
    CertificateLists,
    CertificateFinder,
    IssuedCertificateRepository,
    IssuedCertificates,
    SelectionBuilder,
    Statistics,
    RetirementSweep,
    CertificateStore,
    Issuing,
    IssueService,
    UnstoredIssuing,
    Approval,
    Profiling,
    Orders,
    CertificateKeys,
    KeyRules,
    IssueJob,
    IssueRecord,
    IssueFollowUp,
    OrderRepository,
    Ordering,
    AnswerCheck,
    Completion,
    Twins,
    WithdrawalRepository,
    Withdrawals,
    WithdrawRecord,
    WithdrawJob,
    ImportedRows,
    UploadService,
    UploadStore,
    KnownCertificates,
    BulkUploadService,
    TakeOver,
    UploadAuthority,
    AdoptService,
    UpdateService,
    AcceptService,
    UpdateChanges,
    UpdateLookup,
    UpdateRights,
    VouchingRoleRenames,
    Relinking,
    DeleteService,
    RestoreService,
    DeactivateService,
    HoldService,
    IssuedStatusRepository,
    BulkService,
    CertificateSelection,
    ExportService,
    CurrentRepository,
    ...deployProviders,
    PendingService,
    DisputeRecord,
    DisputeService,
    RevocationImport,
    ...replacementProviders,
    ...runProviders,
    RevocationKind,
    RevocationRuns,
    ...discoveryProviders,
    RevokeService,
    RevokeRights,
    RevokeRecord,
    RevokeConsequences,
    Successors,
    Settling,
    Reinstating,
    VerifyService,
    StoredVerification,
    RevocationCheckRepository,
    RevocationChecking,
    RevocationRecord,
    CheckRevocationJob,
    VisualizeService,
    EndingAuthorityRepository,
    AuthorityExpirySweep,
    ...rotationProviders,
    CertificateUse,
    ...notifyProviders,
  ],
  exports: [
    CertificateAccess,
    CertificateLists,
    CertificateReader,
    CertificateRepository,
    ExportService,
    HoldService,
    IssuedCertificates,
    IssueService,
    RevokeService,
  ],
})
export class CertificatesModule {}
