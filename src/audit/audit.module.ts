import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { Audit } from './audit.js';
import { AuditRepository } from './audit.repository.js';
import { AuditAnchors } from './audit-anchors.js';
import { AuditKeys } from './audit-keys.js';
import { AuditSealer, AuditSealJob } from './audit-sealer.js';
import { LogExport } from './log-export.js';
import { LogDetails } from './log-details.js';
import { LogFilters } from './log-filters.js';
import { LogsController } from './logs.controller.js';

/** The audit log: write, seal, verify, list, export. */
@Module({
  imports: [JobsModule],
  controllers: [LogsController],
  providers: [
    Audit,
    AuditAnchors,
    AuditKeys,
    AuditRepository,
    AuditSealer,
    AuditSealJob,
    LogExport,
    LogFilters,
    LogDetails,
  ],
  exports: [Audit, AuditKeys, AuditRepository, AuditSealer, LogFilters, LogDetails],
})
export class AuditModule {}
