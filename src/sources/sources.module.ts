import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { EndpointRepository } from './endpoint.repository.js';
import { SourceController } from './source.controller.js';
import { SourceRepository } from './source.repository.js';
import { SourceReader, SourceService, SourceWork } from './source.service.js';
import { SourceSyncRepository } from './source-sync.repository.js';
import { SourceRepositories, SourceSyncs } from './source-syncs.js';
import { Sources } from './sources.js';

@Module({
  imports: [AuditModule, JobsModule],
  controllers: [SourceController],
  providers: [
    Sources,
    SourceRepository,
    SourceSyncRepository,
    SourceRepositories,
    SourceSyncs,
    SourceReader,
    SourceWork,
    SourceService,
    EndpointRepository,
  ],
  exports: [Sources, SourceRepositories, SourceService, EndpointRepository],
})
export class SourcesModule {}
