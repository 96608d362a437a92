import type { MigrationInterface, QueryRunner } from 'typeorm';

/** CRLs that were never made, since their first job was lost, are due. */
export class FirstLists1763700000073 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'update crl set due_at = now() where number is null and due_at is null and overdue_at is not null',
    );
  }

  async down(): Promise<void> {
    // That a list is due fits the earlier schema too.
  }
}
