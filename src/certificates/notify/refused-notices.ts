import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { Readiness } from '../../platform/health/readiness.js';
import { NoticeRepository } from './notice.repository.js';

/** Refusals of a shorter time are a fault that somebody is about to mend. */
const quietMs = 3_600_000;
const listed = 'GET /api/1/notices?filter=fault;refused lists them.';

/** Warns in `/health/ready` of notices that their receivers refuse. */
@Injectable()
export class RefusedNotices implements OnModuleInit {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly notices: NoticeRepository,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    this.readiness.warn('refused notices', async () => {
      const before = new Date(this.clock.now().getTime() - quietMs);
      const count = await this.notices.countRefused(this.db.single, before);
      if (count === 0) return null;
      return `Receivers have refused ${count} notices for more than an hour. ${listed}`;
    });
  }
}
