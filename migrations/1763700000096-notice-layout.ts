import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How messages look whose channel says nothing else. */
export class NoticeLayout1763700000096 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table notice_layout (
        id boolean primary key default true constraint notice_layout_one check (id),
        layout jsonb not null
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table notice_layout');
  }
}
