import { Module } from '@nestjs/common';
import { UserRepository } from './user.repository.js';

/** The table of users. What a user may do, and the REST of both, is in roles. */
@Module({ providers: [UserRepository], exports: [UserRepository] })
export class UsersModule {}
