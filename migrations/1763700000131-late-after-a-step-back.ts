import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which step back of the clock what is stored late has still to follow, so that it does when the process dies. */
export class LateAfterAStepBack1763700000131 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table clock_watch
        add column set_back_s double precision,
        add column set_back_at timestamptz,
        add constraint clock_watch_set_back check ((set_back_s is null) = (set_back_at is null))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table clock_watch drop column set_back_s, drop column set_back_at');
  }
}
