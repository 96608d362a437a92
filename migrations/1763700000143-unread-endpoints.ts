import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An endpoint knows the last sync that could not read the part of the source in which it is. */
export class UnreadEndpoints1763700000143 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table endpoint add column unread_sync_id integer');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table endpoint drop column unread_sync_id');
  }
}
