import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table periodic_task
  add column paused_at timestamptz,
  add column paused_by text,
  add column wanted_at timestamptz,
  add constraint periodic_task_paused check ((paused_at is null) = (paused_by is null));

create table task_run (
  id bigint generated always as identity primary key,
  task text not null,
  worker text not null,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  outcome text,
  error text,
  counts jsonb not null default '{}',
  failures jsonb not null default '[]',
  constraint task_run_outcome check (outcome in ('ok', 'failed', 'lost', 'stopped')),
  constraint task_run_finished check ((finished_at is null) = (outcome is null))
);
create index task_run_task on task_run (task, id);
-- A task has one open run; after the death of its process the next run closes it.
create unique index task_run_open on task_run (task) where outcome is null;
`;

const down = `
drop table task_run;
alter table periodic_task
  drop constraint periodic_task_paused,
  drop column paused_at,
  drop column paused_by,
  drop column wanted_at;
`;

/** The runs of periodic tasks, and tasks that are paused or are to run before their time. */
export class TaskRuns1763700000118 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
