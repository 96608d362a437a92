import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table signing_key (
  id integer generated always as identity primary key,
  secret_id uuid not null,
  sealed_key bytea not null,
  created_at timestamptz not null default now()
);
create unique index signing_key_secret on signing_key (secret_id);
-- The secret_id moves with the key: the key is bound to it.
insert into signing_key (secret_id, sealed_key, created_at)
  select secret_id, sealed_key, created_at from authority where sealed_key is not null order by id;
alter table authority add column key_id integer constraint authority_key references signing_key;
update authority a set key_id = k.id from signing_key k where k.secret_id = a.secret_id and a.sealed_key is not null;
alter table authority drop column sealed_key;
create index authority_key_id on authority (key_id) where key_id is not null;
`;

const down = `
-- A key that was made since is bound to a secret_id of its own: the column of before could not open it.
do $$ begin
  if exists (select from signing_key k left join authority a on a.key_id = k.id
      where a.secret_id is distinct from k.secret_id) then
    raise exception 'Authorities have keys that the version of before cannot open. Restore a backup instead.';
  end if;
end $$;
alter table authority add column sealed_key bytea;
update authority a set sealed_key = k.sealed_key from signing_key k where k.id = a.key_id;
alter table authority drop column key_id;
drop table signing_key;
`;

/** The keys of CAs have a table of their own, which authorities refer to. */
export class SigningKeys1763700000044 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
