import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Due renewals are read page by page, in the order of their dates and, of one date, of their ids. */
export class DueRenewalsInOrder1763700000133 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop index certificate_renewal_due');
    await runner.query(`create index certificate_renewal_due on certificate (next_renewal_at, id) include (authority_id)
      where next_renewal_at is not null`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index certificate_renewal_due');
    await runner.query(`create index certificate_renewal_due on certificate (next_renewal_at) include (authority_id)
      where next_renewal_at is not null`);
  }
}
