import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create index domain_sensitive on domain (name) where sensitive;

create table domain_policy (
  id integer primary key default 1 constraint domain_policy_one_row check (id = 1),
  version integer not null
);
insert into domain_policy (version) values (1);

create table domain_rule (
  id integer generated always as identity primary key,
  role_id integer constraint domain_rule_role references role,
  authority_id integer constraint domain_rule_authority references authority,
  patterns text[] not null constraint domain_rule_has_patterns check (cardinality(patterns) > 0),
  description text,
  created_at timestamptz not null default now()
);
create index domain_rule_role_id on domain_rule (role_id);
create index domain_rule_authority_id on domain_rule (authority_id);

alter table authority
  add column is_private boolean not null default false,
  add column is_cab_compliant boolean,
  add column is_cn_optional boolean not null default true;
`;

const down = `
alter table authority drop column is_private, drop column is_cab_compliant, drop column is_cn_optional;
drop table domain_rule;
drop table domain_policy;
drop index domain_sensitive;
`;

/** Who may issue for which names, and what authorities are bound to. */
export class DomainPolicy1763700000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
