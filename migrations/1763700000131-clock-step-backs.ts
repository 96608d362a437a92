import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which steps back of the clock are being followed, so that another process goes on when one dies. */
export class ClockStepBacks1763700000131 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table clock_step_back (
        id integer generated always as identity primary key,
        seconds double precision not null constraint clock_step_back_seconds check (seconds > 0),
        pass integer not null default 0,
        done integer not null default 0,
        next_at timestamptz not null
      );
      comment on column clock_step_back.pass is 'after the first one, what was stored late follows it';
      comment on column clock_step_back.done is 'how many of the tables have followed it in this pass';`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table clock_step_back');
  }
}
