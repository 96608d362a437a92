import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { Audit } from './audit.js';
import { AuditRepository } from './audit.repository.js';
import { AuditSealer } from './audit-sealer.js';
import { LogsController } from './logs.controller.js';
import { Sealing } from './sealing.js';

/** The audit log: writing, sealing and reading it. */
@Module({
  imports: [JobsModule],
  controllers: [LogsController],
  providers: [Audit, AuditRepository, AuditSealer, Sealing],
  exports: [Audit, AuditSealer],
})
export class AuditModule {}
