import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { UserLogFilter } from './user-log-filter.js';
import { PasswordCheck } from './password-check.js';
import { UserRepository } from './user.repository.js';

/** The table of users. What a user may do, and the REST of both, is in roles. */
@Module({
  imports: [AuditModule],
  providers: [PasswordCheck, UserRepository, UserLogFilter],
  exports: [PasswordCheck, UserRepository],
})
export class UsersModule {}
