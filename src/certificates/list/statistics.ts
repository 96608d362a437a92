import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Metric, Stats } from './list.schema.js';

const rangeMs = 32 * 7 * 86_400_000;

/** For each metric a query for labels and counts, each an index-only scan. `$1` is now, `$2` is 32 weeks from now. */
const counts: Readonly<Record<Metric, string>> = {
  bits: 'select bits as label, count(*)::int as value from certificate group by bits',
  issuer: 'select issuer as label, count(*)::int as value from certificate group by issuer',
  not_after:
    'select issuer as label, count(*)::int as value from certificate where not ' +
    'retired and not_after >= $1 and not_after <= $2 group by issuer',
  signing_algorithm:
    'select signing_algorithm as label, count(*)::int as value from certificate where ' +
    'signing_algorithm is not null group by signing_algorithm',
};

/** Counts certificates by a metric or by destination, for charts. */
@Injectable()
export class Statistics {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  /** Certificates by metric, most frequent first. */
  async of(metric: Metric): Promise<Stats> {
    const now = this.clock.now();
    const values = metric === 'not_after' ? [now, new Date(now.getTime() + rangeMs)] : [];
    return this.read(counts[metric], values);
  }

  /** Certificates by the label of their destination. */
  ofDestinations(): Promise<Stats> {
    return this.read(
      `select d.label, (select count(*)::int from delivery l where l.destination_id = d.id
        and l.state not in ('removing', 'removed', 'left')) as value from destination d`,
      [],
    );
  }

  private async read(sql: string, values: readonly unknown[]): Promise<Stats> {
    const rows = await this.db.search((tx) =>
      tx.query<{ label: string | number; value: number }[]>(`${sql} order by value desc, label`, [...values]),
    );
    return {
      items: { labels: rows.map(({ label }) => label), values: rows.map(({ value }) => value) },
      total: rows.length,
    };
  }
}
