import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { UserInLog } from './user-in-log.js';
import { PasswordCheck } from './password-check.js';
import { UserRepository } from './user.repository.js';

/** The table of users and their passwords. Permissions and REST routes are in RolesModule. */
@Module({
  imports: [AuditModule],
  providers: [PasswordCheck, UserRepository, UserInLog],
  exports: [PasswordCheck, UserRepository],
})
export class UsersModule {}
