import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table revocation_run (
  id integer generated always as identity primary key,
  creator_id integer not null references app_user,
  actor_id integer not null references app_user,
  api_key_id integer,
  state text not null constraint revocation_run_state
    check (state in ('running', 'paused', 'cancelled', 'finished')),
  crl_reason text not null,
  comments text,
  invalidity_date timestamptz,
  replace boolean,
  filter jsonb,
  per_minute integer not null constraint revocation_run_per_minute check (per_minute between 1 and 6000),
  next_at timestamptz not null,
  fault_detail text,
  created_at timestamptz not null,
  ended_at timestamptz,
  constraint revocation_run_ended check ((ended_at is not null) = (state in ('cancelled', 'finished')))
);
comment on column revocation_run.actor_id is 'with whose rights it goes on: who made it, or has resumed it';
comment on column revocation_run.api_key_id is 'of the actor, who has only its rights; no reference, so that a key that is deleted gives no more rights';
create index revocation_run_creator_id on revocation_run (creator_id);
create index revocation_run_actor_id on revocation_run (actor_id);
create index revocation_run_due on revocation_run (next_at) where state = 'running';

create table revocation_run_item (
  run_id integer not null references revocation_run on delete cascade,
  certificate_id integer not null,
  state text not null constraint revocation_run_item_state
    check (state in ('waiting', 'done', 'already-revoked', 'failed')),
  attempts integer not null default 0,
  problem_code text,
  problem_detail text,
  at timestamptz,
  primary key (run_id, certificate_id)
);
comment on column revocation_run_item.certificate_id is 'no reference: the record stays when the certificate is deleted';
create index revocation_run_item_waiting on revocation_run_item (run_id, attempts, certificate_id) where state = 'waiting';
`;

/** Revocations of many certificates at a pace, with what became of each. */
export class RevocationRuns1763700000089 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table revocation_run_item; drop table revocation_run');
  }
}
