import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { UserInLog } from './user-in-log.js';
import { PasswordCheck } from './password-check.js';
import { UserRepository } from './user.repository.js';

/** The table of users. What a user may do, and the REST of both, is in roles. */
@Module({
  imports: [AuditModule],
  providers: [PasswordCheck, UserRepository, UserInLog],
  exports: [PasswordCheck, UserRepository],
})
export class UsersModule {}
