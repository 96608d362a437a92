import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table outbox
  add column identity text not null default gen_random_uuid(),
  add column lane text not null default '',
  add column waiting boolean not null default true;
-- Rows that are there already, or that a process of an older version adds, each have an identity of their own.
create unique index outbox_waiting on outbox (job, identity) where state = 'due' and waiting;
create index outbox_identity on outbox (job, identity) where state <> 'done';
drop index outbox_due;
-- A leased row is due again when its lease lapses; greatest() skips nulls, so one index answers "what is due now".
create index outbox_due on outbox (job, lane, greatest(run_at, lease_until)) where state = 'due';
create index outbox_leased on outbox (lane) where state = 'due' and leased_by is not null;

create table job_lane (
  lane text primary key,
  minute timestamptz not null,
  begun integer not null
);

alter table job_run drop constraint job_run_outcome;
alter table job_run add constraint job_run_outcome check (outcome in ('ok', 'failed', 'lost', 'postponed'));
`;

const down = `
update job_run set outcome = 'lost' where outcome = 'postponed';
alter table job_run drop constraint job_run_outcome;
alter table job_run add constraint job_run_outcome check (outcome in ('ok', 'failed', 'lost'));
drop table job_lane;
drop index outbox_leased;
drop index outbox_due;
create index outbox_due on outbox (job, greatest(run_at, lease_until)) where state = 'due';
drop index outbox_identity;
drop index outbox_waiting;
alter table outbox drop column waiting, drop column lane, drop column identity;
`;

/** Jobs have an identity, so that the same one does not wait twice, and lanes with limits over all processes. */
export class JobLanes1763700000042 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
