import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table notice
  add column told text[] not null default '{}',
  drop constraint notice_hold,
  add constraint notice_hold check (hold in ('acknowledged', 'quiet-hours', 'digest', 'paused'));
`;

const down = `
update notice set hold = null where hold = 'paused';
alter table notice
  drop column told,
  drop constraint notice_hold,
  add constraint notice_hold check (hold in ('acknowledged', 'quiet-hours', 'digest'));
`;

/** A notice remembers which addresses have its mail, and waits while its subscription or channel is switched off. */
export class NoticesToldOnce1763700000127 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
