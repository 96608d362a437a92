import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table rotation_limit (
  id integer generated always as identity primary key,
  authority_id integer references authority on delete cascade,
  per_hour integer not null constraint rotation_limit_per_hour check (per_hour between 1 and 1000000)
);
comment on column rotation_limit.authority_id is 'null: of all authorities together';
create unique index rotation_limit_one on rotation_limit (coalesce(authority_id, 0));
create index rotation_limit_authority on rotation_limit (authority_id);

create table rotation_pause (
  id integer generated always as identity primary key,
  scope text not null constraint rotation_pause_scope check (scope in ('all', 'authority', 'source', 'certificate')),
  authority_id integer references authority on delete cascade,
  source_id integer references source on delete cascade,
  certificate_id integer references certificate on delete cascade,
  holds_emergencies boolean not null,
  reason text not null constraint rotation_pause_reason check (length(reason) between 1 and 1024),
  user_id integer not null references app_user,
  since timestamptz not null,
  until timestamptz,
  ended_at timestamptz,
  constraint rotation_pause_target check (
    (authority_id is not null) = (scope = 'authority') and (source_id is not null) = (scope = 'source')
    and (certificate_id is not null) = (scope = 'certificate'))
);
create unique index rotation_pause_open
  on rotation_pause (scope, coalesce(authority_id, source_id, certificate_id, 0)) where ended_at is null;
create index rotation_pause_certificate on rotation_pause (certificate_id) where certificate_id is not null;
create index rotation_pause_user on rotation_pause (user_id);

create table renewal_wait (
  certificate_id integer primary key references certificate on delete cascade,
  authority_id integer not null,
  not_after timestamptz not null,
  pause_id integer references rotation_pause on delete cascade,
  since timestamptz not null
);
comment on table renewal_wait is 'certificates whose renewal is due and waits';
comment on column renewal_wait.pause_id is 'null: it waits for a limit of renewals per hour';
create index renewal_wait_limit on renewal_wait (authority_id, not_after, certificate_id) where pause_id is null;
create index renewal_wait_pause on renewal_wait (pause_id, certificate_id) where pause_id is not null;

create table renewal_start (
  authority_id integer not null,
  at timestamptz not null
);
comment on table renewal_start is 'of the last hour, while a limit is set';
create index renewal_start_at on renewal_start (at);
`;

const down = `
drop table renewal_start; drop table renewal_wait; drop table rotation_pause; drop table rotation_limit;
`;

/** Renewals that are due wait for limits and pauses. */
export class RenewalsWait1763700000102 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
