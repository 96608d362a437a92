import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { JobsController } from './jobs.controller.js';

/** What those who run the program look after. */
@Module({ imports: [AuditModule, JobsModule], controllers: [JobsController] })
export class OperationsModule {}
