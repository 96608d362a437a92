import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table certificate_run (
  id integer generated always as identity primary key,
  kind text not null constraint certificate_run_kind check (kind in ('revocation', 'replacement')),
  creator_id integer not null references app_user,
  actor_id integer not null references app_user,
  api_key_id integer,
  state text not null constraint certificate_run_state
    check (state in ('running', 'paused', 'cancelled', 'finished')),
  wishes jsonb not null,
  filter jsonb,
  per_hour integer constraint certificate_run_per_hour check (per_hour between 1 and 360000),
  version integer not null default 1,
  next_at timestamptz not null,
  fault_detail text,
  created_at timestamptz not null,
  ended_at timestamptz,
  constraint certificate_run_ended check ((ended_at is not null) = (state in ('cancelled', 'finished')))
);
comment on column certificate_run.wishes is 'how each certificate is revoked or replaced, and why';
comment on column certificate_run.per_hour is 'null: as fast as it can';
comment on column certificate_run.actor_id is 'with whose rights it goes on: who made it, or has resumed it';
comment on column certificate_run.api_key_id is 'of the actor, who has only its rights; no reference, so that a key that is deleted gives no more rights';
comment on column certificate_run.version is 'grows when the state, the actor or the pace changes';
create index certificate_run_creator_id on certificate_run (creator_id);
create index certificate_run_actor_id on certificate_run (actor_id);
create index certificate_run_due on certificate_run (next_at) where state = 'running';
create index certificate_run_stopped on certificate_run (id) where state = 'paused' and fault_detail is not null;

create table certificate_run_item (
  run_id integer not null references certificate_run on delete cascade,
  certificate_id integer not null,
  state text not null constraint certificate_run_item_state
    check (state in ('waiting', 'done', 'already-revoked', 'already-replaced', 'failed')),
  attempts integer not null default 0,
  problem_code text,
  problem_detail text,
  at timestamptz,
  held_until timestamptz,
  successor_id integer,
  primary key (run_id, certificate_id),
  constraint certificate_run_item_held check (held_until is null or state = 'waiting')
);
comment on column certificate_run_item.certificate_id is 'no reference: the record stays when the certificate is deleted';
comment on column certificate_run_item.held_until is 'a pause, a window or a limit holds it; looked at again then';
comment on column certificate_run_item.successor_id is 'what the run has requested in its place; no reference';
create index certificate_run_item_waiting on certificate_run_item (run_id, attempts, certificate_id)
  where state = 'waiting';
create index certificate_run_item_certificate_id on certificate_run_item (certificate_id);
create index certificate_run_item_successor_id on certificate_run_item (successor_id) where successor_id is not null;

insert into certificate_run (id, kind, creator_id, actor_id, api_key_id, state, wishes, filter, per_hour, version,
  next_at, fault_detail, created_at, ended_at)
overriding system value
select id, 'revocation', creator_id, actor_id, api_key_id, state,
  jsonb_build_object('crlReason', crl_reason, 'comments', comments, 'invalidityDate', invalidity_date,
    'replace', replace),
  filter, per_minute * 60, version, next_at, fault_detail, created_at, ended_at
from revocation_run;
insert into certificate_run_item (run_id, certificate_id, state, attempts, problem_code, problem_detail, at)
select run_id, certificate_id, state, attempts, problem_code, problem_detail, at from revocation_run_item;
select setval(pg_get_serial_sequence('certificate_run', 'id'), greatest(max(id), 1), max(id) is not null)
from certificate_run;
drop table revocation_run_item;
drop table revocation_run;
update outbox set job = 'certificate-run.step' where job = 'revocation-run.step';
`;

const down = `
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
  version integer not null default 1,
  constraint revocation_run_ended check ((ended_at is not null) = (state in ('cancelled', 'finished')))
);
comment on column revocation_run.actor_id is 'with whose rights it goes on: who made it, or has resumed it';
comment on column revocation_run.api_key_id is 'of the actor, who has only its rights; no reference, so that a key that is deleted gives no more rights';
comment on column revocation_run.version is 'grows when the state, the actor or the pace changes';
create index revocation_run_creator_id on revocation_run (creator_id);
create index revocation_run_actor_id on revocation_run (actor_id);
create index revocation_run_due on revocation_run (next_at) where state = 'running';
create index revocation_run_stopped on revocation_run (id) where state = 'paused' and fault_detail is not null;

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
create index revocation_run_item_certificate_id on revocation_run_item (certificate_id);

delete from outbox where job = 'certificate-run.step'
  and (data->>'runId')::int in (select id from certificate_run where kind <> 'revocation');
update outbox set job = 'revocation-run.step' where job = 'certificate-run.step';
delete from certificate_run where kind <> 'revocation';
insert into revocation_run (id, creator_id, actor_id, api_key_id, state, crl_reason, comments, invalidity_date, replace,
  filter, per_minute, next_at, fault_detail, created_at, ended_at, version)
overriding system value
select id, creator_id, actor_id, api_key_id, state, wishes->>'crlReason', wishes->>'comments',
  (wishes->>'invalidityDate')::timestamptz, (wishes->>'replace')::boolean, filter,
  greatest(1, coalesce(per_hour, 360000) / 60), next_at, fault_detail, created_at, ended_at, version
from certificate_run;
insert into revocation_run_item (run_id, certificate_id, state, attempts, problem_code, problem_detail, at)
select run_id, certificate_id, state, attempts, problem_code, problem_detail, at from certificate_run_item;
select setval(pg_get_serial_sequence('revocation_run', 'id'), greatest(max(id), 1), max(id) is not null)
from revocation_run;
drop table certificate_run_item;
drop table certificate_run;
`;

/** Runs that revoke many certificates become runs of two kinds: the other one replaces certificates. */
export class CertificateRuns1763700000104 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
