import { Injectable } from '@nestjs/common';
import { LogFilters } from '../audit/log-filters.js';
import { LogDetails } from '../audit/log-details.js';
import { UserRepository } from './user.repository.js';

/** Shows users in entries of the audit log, and filters entries by the e-mail address of the user who acted. */
@Injectable()
export class UserInLog {
  constructor(filters: LogFilters, details: LogDetails, users: UserRepository) {
    filters.define('user.email', async (tx, email) => {
      return { actorUserIds: await users.idsByEmail(tx, email) };
    });
    details.define('user', async (tx, ids) => {
      const found = await users.namesOf(tx, ids);
      return new Map(found.map(({ id, email, active }) => [id, { email, active }]));
    });
  }
}
