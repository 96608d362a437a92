import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { Policies } from './policies.js';
import { PolicyController } from './policy.controller.js';
import { PolicyRepository } from './policy.repository.js';

@Module({
  imports: [AuditModule],
  controllers: [PolicyController],
  providers: [Policies, PolicyRepository],
  exports: [PolicyRepository],
})
export class RotationModule {}
