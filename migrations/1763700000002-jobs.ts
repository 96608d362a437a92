import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Jobs1763700000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`select 1`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`select 1`);
  }
}
