import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table authority_state (
  id integer generated always as identity primary key,
  authority_id integer not null constraint authority_state_authority references authority on delete cascade,
  secret_id uuid not null,
  sealed_state bytea not null
);
create unique index authority_state_authority_id on authority_state (authority_id);

create table dns_provider (
  id integer generated always as identity primary key,
  name text not null,
  description text,
  plugin_id text not null,
  options jsonb not null,
  sealed_options bytea,
  secret_id uuid not null,
  zones text[] not null,
  zones_given boolean not null,
  zones_at timestamptz,
  created_at timestamptz not null,
  constraint dns_provider_given_zones check (not zones_given or zones <> '{}')
);
create unique index dns_provider_name on dns_provider (lower(name));

create table challenge (
  id integer generated always as identity primary key,
  type text not null constraint challenge_type check (type in ('http-01', 'dns-01')),
  domain text not null,
  value text not null,
  place text not null,
  dns_provider_id integer constraint challenge_dns_provider references dns_provider,
  record_ref text,
  presented_at timestamptz,
  remove_at timestamptz not null,
  attempts integer not null default 0,
  fault_detail text,
  created_at timestamptz not null,
  constraint challenge_dns_has_provider check ((type = 'dns-01') = (dns_provider_id is not null))
);
create unique index challenge_answer on challenge (type, domain, value);
create index challenge_place on challenge (place);
create index challenge_remove_at on challenge (remove_at);
create index challenge_dns_provider_id on challenge (dns_provider_id) where dns_provider_id is not null;
`;

const down = `
drop table challenge;
drop table dns_provider;
drop table authority_state;
`;

/**
 * What an issuer remembers of an authority (an ACME account); DNS providers; and the answers to challenges that are
 * published, each until it is removed.
 */
export class Challenges1763700000058 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
