import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A notice is claimed before it is sent, so that two jobs for it send it once. */
export class NoticeClaims1763700000052 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table notice add column claimed_until timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table notice drop column claimed_until');
  }
}
