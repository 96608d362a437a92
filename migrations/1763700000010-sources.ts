import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table source (
  id integer generated always as identity primary key,
  label text not null constraint source_label_length check (length(label) between 1 and 128),
  description text,
  owner text not null,
  active boolean not null default true,
  plugin_id text not null,
  options jsonb not null default '{}',
  sealed_options bytea,
  secret_id uuid not null,
  creator_id integer constraint source_creator references app_user,
  poll_s integer not null constraint source_poll_positive check (poll_s > 0),
  last_run_at timestamptz,
  next_run_at timestamptz,
  attempts integer not null default 0,
  fault text,
  fault_detail text,
  created_at timestamptz not null
);
create unique index source_label on source (lower(label));
create index source_due on source (next_run_at) where next_run_at is not null;

create table source_sync (
  id integer generated always as identity primary key,
  source_id integer not null constraint source_sync_source references source on delete cascade,
  state text not null constraint source_sync_state check (state in ('planned', 'running', 'done', 'failed')),
  certificates integer not null default 0,
  imported integer not null default 0,
  endpoints integer not null default 0,
  gone integer not null default 0,
  troubles integer not null default 0,
  trouble_list jsonb not null default '[]',
  fault text,
  fault_detail text,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  constraint source_sync_finished check ((finished_at is null) = (state in ('planned', 'running')))
);
create unique index source_sync_one_open on source_sync (source_id) where finished_at is null;
create index source_sync_newest on source_sync (source_id, id);

create table source_certificate (
  source_id integer not null constraint source_certificate_source references source on delete cascade,
  location text not null,
  certificate_id integer not null constraint source_certificate_certificate references certificate on delete cascade,
  external_id text,
  sync_id integer not null,
  seen_at timestamptz not null,
  primary key (source_id, location)
);
create index source_certificate_certificate_id on source_certificate (certificate_id, source_id);
create index source_certificate_sync on source_certificate (source_id, sync_id);

create table endpoint (
  id integer generated always as identity primary key,
  source_id integer not null constraint endpoint_source references source on delete cascade,
  external_id text not null,
  port integer not null constraint endpoint_port check (port between 0 and 65535),
  name text not null,
  dns_name text not null,
  owner text not null,
  type text not null,
  aliases text[] not null default '{}',
  certificate_id integer constraint endpoint_certificate references certificate on delete set null,
  served_sha256 text,
  served_serial_hex text,
  served_not_after timestamptz,
  protocol text,
  cipher text,
  policy_name text not null,
  ciphers jsonb not null default '[]',
  fault_detail text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null
);
create unique index endpoint_key on endpoint (source_id, external_id, port);
create index endpoint_certificate_id on endpoint (certificate_id, id) where certificate_id is not null;
create index endpoint_name on endpoint (lower(name), id);
create index endpoint_last_seen on endpoint (last_seen_at, id);
`;

/**
 * What is found outside: where it is looked for, what looks came to, and which certificates and endpoints are there.
 */
export class Sources1763700000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['endpoint', 'source_certificate', 'source_sync', 'source'])
      await runner.query(`drop table ${table}`);
  }
}
