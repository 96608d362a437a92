import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
drop index certificate_renewal_due;
create index certificate_renewal_due on certificate (next_renewal_at) include (authority_id)
  where next_renewal_at is not null;
create index certificate_ends_unplanned on certificate (not_after) include (authority_id)
  where next_renewal_at is null and state = 'issued' and renewal_reason in ('rotation-off', 'no-issuer', 'key-type');
`;

const down = `
drop index certificate_ends_unplanned;
drop index certificate_renewal_due;
create index certificate_renewal_due on certificate (next_renewal_at) where next_renewal_at is not null;
`;

/** Counts the renewals of each day, and the certificates that end without one, from indexes. */
export class RenewalCalendar1763700000103 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
