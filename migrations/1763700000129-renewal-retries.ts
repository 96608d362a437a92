import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When a failed renewal may be tried again, apart from when the renewal is planned: a plan that changes twice must not
 * keep the later time.
 */
export class RenewalRetries1763700000129 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table certificate add column renewal_retry_at timestamptz');
    await runner.query(
      `update certificate set renewal_retry_at = next_renewal_at
       where renewal_attempts > 0 and next_renewal_at < now() + interval '12 hours'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table certificate drop column renewal_retry_at');
  }
}
