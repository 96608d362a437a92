import { Injectable } from '@nestjs/common';
import { LogFilters } from '../audit/log-filters.js';
import { UserRepository } from './user.repository.js';

/** Lets the audit log be filtered by the address of the user who acted. */
@Injectable()
export class UserLogFilter {
  constructor(filters: LogFilters, users: UserRepository) {
    filters.define('user.email', async (tx, email) => {
      const id = await users.findIdByEmail(tx, email);
      return { actorUserIds: id === null ? [] : [id] };
    });
  }
}
