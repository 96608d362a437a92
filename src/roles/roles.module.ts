import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { RoleCredentials } from './role-credentials.js';
import { RoleAssignment } from './role-assignment.js';
import { RoleRelations } from './role-relations.js';
import { RoleRenames } from './role-renames.js';
import { RoleRepository } from './role.repository.js';
import { RoleService } from './role.service.js';
import { RolesController } from './roles.controller.js';
import { UsersController } from './users.controller.js';

/** Roles, users with their roles, and the rules about both. */
@Module({
  imports: [AuditModule, UsersModule],
  controllers: [UsersController, RolesController],
  providers: [
    RoleCredentials,
    RoleAssignment,
    RoleRelations,
    RoleRenames,
    RoleRepository,
    RoleService,
    AccountRepository,
    AccountService,
  ],
  exports: [RoleAssignment, RoleRelations, RoleRenames, RoleRepository, AccountRepository, AccountService],
})
export class RolesModule {}
