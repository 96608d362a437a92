import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { EndpointRepository } from './endpoint.repository.js';
import { SourceController } from './source.controller.js';
import { SourceRepository } from './source.repository.js';
import { SourceHealth } from './source-health.js';
import { SourceReader, SourceService } from './source.service.js';
import { SourceSyncRepository } from './source-sync.repository.js';
import { SourceSyncs } from './source-syncs.js';
import { SourceTargets } from './source-targets.js';
import { Sources } from './sources.js';

@Module({
  imports: [AuditModule, JobsModule],
  controllers: [SourceController],
  providers: [
    Sources,
    SourceRepository,
    SourceHealth,
    SourceSyncRepository,
    SourceSyncs,
    SourceReader,
    SourceService,
    SourceTargets,
    EndpointRepository,
  ],
  exports: [
    Sources,
    SourceRepository,
    SourceSyncRepository,
    SourceService,
    SourceSyncs,
    SourceTargets,
    EndpointRepository,
  ],
})
export class SourcesModule {}
