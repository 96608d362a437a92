import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { Authorities } from './authorities.js';
import { AuthorityController } from './authority.controller.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityService, AuthorityStore } from './authority.service.js';
import { DefaultsController } from './defaults.controller.js';
import { AuthorityMaker } from './create-authority.js';

@Module({
  imports: [AuditModule, RolesModule],
  controllers: [AuthorityController, DefaultsController],
  providers: [Authorities, AuthorityRepository, AuthorityService, AuthorityStore, AuthorityMaker],
  exports: [Authorities, AuthorityRepository, AuthorityService],
})
export class AuthoritiesModule {}
