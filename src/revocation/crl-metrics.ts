import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/db/database.js';
import { Metrics } from '../platform/metrics.js';
import { CrlRepository } from './crl.repository.js';

/** How many CRLs there are, and how many are overdue. */
@Injectable()
export class CrlMetrics {
  constructor(metrics: Metrics, db: Database, clock: Clock, lists: CrlRepository) {
    const show = (name: string, help: string, of: 'lists' | 'overdue'): void => {
      metrics.gauge({ name, help }, async (gauge) => {
        const counts = await lists.counts(db.single, clock.now()).catch(() => null);
        gauge.set(counts?.[of] ?? NaN);
      });
    };
    show('crls', 'CRLs of local CAs.', 'lists');
    show('crls_overdue', 'CRLs of which a newer one should have been made.', 'overdue');
  }
}
