import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table profile (
  id integer generated always as identity primary key,
  name text not null constraint profile_name_length check (char_length(name) between 1 and 128),
  description text,
  active boolean not null default true,
  built_in boolean not null default false,
  version integer not null,
  created_at timestamptz not null default now()
);
create unique index profile_name on profile (lower(name));

create table profile_version (
  profile_id integer not null references profile on delete cascade,
  version integer not null,
  rules jsonb not null,
  author text,
  created_at timestamptz not null default now(),
  primary key (profile_id, version)
);
alter table profile add constraint profile_newest foreign key (id, version) references profile_version (profile_id, version)
  deferrable initially deferred;

alter table certificate add profile_id integer, add profile_version integer,
  add constraint certificate_profile foreign key (profile_id, profile_version)
    references profile_version (profile_id, version),
  add constraint certificate_profile_has_version check ((profile_id is null) = (profile_version is null));
create index certificate_of_profile on certificate (profile_id, id) where profile_id is not null;

alter table authority
  add default_profile_id integer constraint authority_default_profile references profile,
  add allowed_profile_ids integer[] not null default '{}';

create constraint trigger profile_kept_facts after update or delete on profile
  deferrable initially deferred for each row execute function raise_kept_facts();
`;

const down = `
drop trigger profile_kept_facts on profile;
alter table authority drop default_profile_id, drop allowed_profile_ids;
alter table certificate drop profile_id, drop profile_version;
alter table profile drop constraint profile_newest;
drop table profile_version;
drop table profile;
`;

/** Certificate profiles with their versions, and the version that each certificate was issued by. */
export class Profiles1763700000076 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
