import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When the clock was last looked at, so that a step of it is noticed; and who sends a notice. */
export class ClockWatch1763700000120 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table clock_watch (
        id boolean primary key default true,
        seen_at timestamptz not null,
        constraint clock_watch_one check (id)
      );
      alter table notice drop column claimed_until, add column claimed_by uuid;`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table notice drop column claimed_by, add column claimed_until timestamptz;
      drop table clock_watch;`);
  }
}
