import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { RolesModule } from '../roles/roles.module.js';
import { Authorities } from './authorities.js';
import { AuthorityController } from './authority.controller.js';
import { AuthorityRepository } from './authority.repository.js';
import { AuthorityReader } from './authority-reader.js';
import { AuthorityService } from './authority.service.js';
import { AuthorityStore } from './authority-store.js';
import { DefaultsController } from './defaults.controller.js';
import { AuthorityMaker } from './create-authority.js';

@Module({
  imports: [AuditModule, RolesModule],
  controllers: [AuthorityController, DefaultsController],
  providers: [Authorities, AuthorityRepository, AuthorityReader, AuthorityService, AuthorityStore, AuthorityMaker],
  exports: [Authorities, AuthorityReader, AuthorityRepository],
})
export class AuthoritiesModule {}
