import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table outbox (
  id uuid primary key,
  job text not null,
  data jsonb not null,
  run_at timestamptz not null default now(),
  attempts integer not null default 0,
  state text not null default 'due',
  lease_until timestamptz,
  leased_by text,
  last_error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint outbox_state check (state in ('due', 'done', 'dead')),
  constraint outbox_lease check ((lease_until is null) = (leased_by is null)),
  constraint outbox_finished check ((finished_at is null) = (state = 'due'))
);
-- A leased row is due again when its lease lapses; greatest() skips nulls, so one index answers "what is due now".
create index outbox_due on outbox (job, greatest(run_at, lease_until)) where state = 'due';
create index outbox_done on outbox (finished_at) where state = 'done';
create index outbox_dead on outbox (job) where state = 'dead';
create index outbox_newest on outbox (created_at, id);

create table job_run (
  id uuid primary key,
  job text not null,
  outbox_id uuid not null,
  attempt integer not null,
  worker text not null,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  outcome text,
  error text,
  constraint job_run_outcome check (outcome in ('ok', 'failed', 'lost')),
  constraint job_run_finished check ((finished_at is null) = (outcome is null))
);
create index job_run_outbox on job_run (outbox_id);
create index job_run_started on job_run (started_at);

create table lease (
  name text primary key,
  holder text not null,
  until timestamptz not null
);

create table periodic_task (
  name text primary key,
  last_started_at timestamptz not null,
  last_success_at timestamptz,
  last_error text,
  failures integer not null default 0
);
`;

const down = `
drop table periodic_task;
drop table lease;
drop table job_run;
drop table outbox;
`;

/** The outbox that jobs are written to, the record of their runs, and the leases of periodic work. */
export class Jobs1763700000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
