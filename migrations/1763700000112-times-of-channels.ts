import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table channel
  add column quiet_hours jsonb,
  add column digest jsonb,
  add constraint channel_quiet_or_digest check (quiet_hours is null or digest is null);
alter table notice
  drop constraint notice_hold,
  add constraint notice_hold check (hold in ('acknowledged', 'quiet-hours', 'digest'));
`;

const down = `
update notice set hold = null where hold <> 'acknowledged';
alter table notice
  drop constraint notice_hold,
  add constraint notice_hold check (hold in ('acknowledged'));
alter table channel drop column digest, drop column quiet_hours;
`;

/** A channel sends nothing at night, or one message a day. */
export class TimesOfChannels1763700000112 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
