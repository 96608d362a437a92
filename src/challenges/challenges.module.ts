import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ChallengeAnswers } from './challenge-answers.js';
import { ChallengeRepository } from './challenge.repository.js';
import { DnsProviderController, DnsProviderOptionsController } from './dns-provider.controller.js';
import { DnsProviderRepository } from './dns-provider.repository.js';
import { DnsProviderService } from './dns-provider.service.js';
import { DnsProviders } from './dns-providers.js';
import { RemoveChallengeJob } from './remove-challenge.job.js';
import { TlsAnswers } from './tls-answers.js';
import { WellKnownController } from './well-known.controller.js';

/** Proves to CAs that names are ours: DNS providers, and the answers to challenges that are published. */
@Module({
  imports: [AuditModule, JobsModule],
  controllers: [DnsProviderController, DnsProviderOptionsController, WellKnownController],
  providers: [
    ChallengeAnswers,
    ChallengeRepository,
    DnsProviderRepository,
    DnsProviderService,
    DnsProviders,
    RemoveChallengeJob,
    TlsAnswers,
  ],
  exports: [ChallengeAnswers],
})
export class ChallengesModule {}
