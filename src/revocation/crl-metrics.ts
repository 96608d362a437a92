import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { Readiness } from '../platform/health/readiness.js';
import { Metrics } from '../platform/metrics.js';
import { CrlRepository } from './crl.repository.js';

/** Metrics of how many CRLs there are and how many are overdue, and a warning at `/health/ready` while some are. */
@Injectable()
export class CrlMetrics {
  constructor(metrics: Metrics, readiness: Readiness, db: Database, clock: Clock, lists: CrlRepository) {
    const show = (name: string, help: string, of: 'lists' | 'overdue'): void => {
      metrics.gauge({ name, help }, async (gauge) => {
        const counts = await lists.counts(db.single, clock.now()).catch(() => null);
        gauge.set(counts?.[of] ?? NaN);
      });
    };
    readiness.warn('crl', async () => {
      const { lists: all, overdue } = await lists.counts(db.single, clock.now());
      if (overdue === 0) return null;
      const are = overdue === 1 ? 'is' : 'are';
      return `${overdue} of ${all} CRLs ${are} overdue: see GET /authorities/{id}/crl for why.`;
    });
    show('crls', 'CRLs of local CAs.', 'lists');
    show('crls_overdue', 'CRLs of which a newer one should have been made.', 'overdue');
  }
}
