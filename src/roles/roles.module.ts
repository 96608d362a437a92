import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { UsersModule } from '../users/users.module.js';
import { AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { RoleCredentials } from './role-credentials.js';
import { RoleGiving } from './role-giving.js';
import { RoleHolders } from './role-holders.js';
import { RoleLinking } from './role-links.js';
import { RoleRenames } from './role-renames.js';
import { RoleRepository } from './role.repository.js';
import { RoleService } from './role.service.js';
import { RolesController } from './roles.controller.js';
import { UsersController } from './users.controller.js';

/** Roles, accounts and the rules about both. */
@Module({
  imports: [AuditModule, UsersModule],
  controllers: [UsersController, RolesController],
  providers: [
    RoleCredentials,
    RoleGiving,
    RoleHolders,
    RoleLinking,
    RoleRenames,
    RoleRepository,
    RoleService,
    AccountRepository,
    AccountService,
  ],
  exports: [RoleGiving, RoleLinking, RoleRenames, RoleRepository, AccountRepository, AccountService],
})
export class RolesModule {}
