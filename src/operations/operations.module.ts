import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { JobsController } from './jobs.controller.js';
import { RekeyController } from './rekey.controller.js';
import { RekeyJob } from './rekey.job.js';
import { Rekeying } from './rekeying.js';
import { TasksController } from './tasks.controller.js';

/** Administration of the running installation: jobs and rekeying. */
@Module({
  imports: [AuditModule, JobsModule],
  controllers: [JobsController, TasksController, RekeyController],
  providers: [Rekeying, RekeyJob],
})
export class OperationsModule {}
