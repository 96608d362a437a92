import { Injectable } from '@nestjs/common';
import { LogFilters } from '../audit/log-filters.js';
import { LogSubjects } from '../audit/log-subjects.js';
import { UserRepository } from './user.repository.js';

/** Shows users in entries of the audit log, and filters entries by the e-mail address of the user who acted. */
@Injectable()
export class UserInLog {
  constructor(filters: LogFilters, subjects: LogSubjects, users: UserRepository) {
    filters.define('user.email', async (tx, email) => {
      return { actorUserIds: await users.idsByEmail(tx, email) };
    });
    subjects.define('user', async (tx, ids) => {
      const found = await users.namesOf(tx, ids);
      return new Map(found.map(({ id, email, active }) => [id, { email, active }]));
    });
  }
}
