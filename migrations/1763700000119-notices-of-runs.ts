import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table notice
  drop constraint notice_about_one,
  add constraint notice_about_one check (
    num_nonnulls(certificate_id, authority_id) = case when event in ('summary.weekly', 'run.paused') then 0 else 1 end);
`;

const down = `
delete from notice where event = 'run.paused';
alter table notice
  drop constraint notice_about_one,
  add constraint notice_about_one
    check (num_nonnulls(certificate_id, authority_id) = case when event = 'summary.weekly' then 0 else 1 end);
update subscription set events = array_remove(events, 'run.paused') where 'run.paused' = any(events);
`;

/** A notice may tell of a run over many certificates. */
export class NoticesOfRuns1763700000119 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
