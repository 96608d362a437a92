import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { LimitRepository } from './limit.repository.js';
import { PauseRepository } from './pause.repository.js';
import { Policies } from './policies.js';
import { PolicyController } from './policy.controller.js';
import { PolicyRepository } from './policy.repository.js';

@Module({
  imports: [AuditModule],
  controllers: [PolicyController],
  providers: [LimitRepository, PauseRepository, Policies, PolicyRepository],
  exports: [LimitRepository, PauseRepository, PolicyRepository],
})
export class RotationModule {}
