import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { DomainController } from './domain.controller.js';
import { DomainPolicy } from './domain-policy.js';
import { DomainRepository } from './domain.repository.js';
import { DomainRuleController } from './domain-rule.controller.js';
import { DomainRuleRepository } from './domain-rule.repository.js';
import { DomainRuleService } from './domain-rule.service.js';
import { DomainService } from './domain.service.js';

/** The names in certificates and the policy on them. */
@Module({
  imports: [AuditModule, RolesModule],
  controllers: [DomainController, DomainRuleController],
  providers: [DomainPolicy, DomainRepository, DomainRuleRepository, DomainService, DomainRuleService],
  exports: [DomainPolicy, DomainRepository],
})
export class DomainsModule {}
