import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { Audit } from './audit.js';
import { AuditRepository } from './audit.repository.js';
import { AuditAnchors } from './audit-anchors.js';
import { AuditKeys } from './audit-keys.js';
import { AuditSealer } from './audit-sealer.js';
import { LogExport } from './log-export.js';
import { LogSubjects } from './log-subjects.js';
import { LogFilters } from './log-filters.js';
import { LogsController } from './logs.controller.js';
import { Sealing } from './sealing.js';

/** The audit log: writing, sealing and reading it. */
@Module({
  imports: [JobsModule],
  controllers: [LogsController],
  providers: [
    Audit,
    AuditAnchors,
    AuditKeys,
    AuditRepository,
    AuditSealer,
    LogExport,
    LogFilters,
    LogSubjects,
    Sealing,
  ],
  exports: [Audit, AuditKeys, AuditRepository, AuditSealer, LogFilters, LogSubjects],
})
export class AuditModule {}
