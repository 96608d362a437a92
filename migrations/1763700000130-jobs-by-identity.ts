import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds the other rows of a job by its identity alone: there are few, however many rows of the job are due. */
export class JobsByIdentity1763700000130 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('drop index outbox_identity');
    await runner.query(`create index outbox_identity on outbox (identity) where state <> 'done'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index outbox_identity');
    await runner.query(`create index outbox_identity on outbox (job, identity) where state <> 'done'`);
  }
}
