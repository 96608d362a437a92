import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table legacy_row (
  kind text not null,
  legacy_id integer not null,
  id integer,
  digest text not null,
  imported_at timestamptz not null default now(),
  primary key (kind, legacy_id)
);

alter table api_key add column legacy_id integer, add column legacy_user_id integer;
update api_key set legacy_id = id, legacy_user_id = user_id where token_hash is null;
alter table api_key add constraint api_key_legacy check ((token_hash is null) = (legacy_id is not null) and (legacy_id is null) = (legacy_user_id is null));
create unique index api_key_legacy_id_unique on api_key (legacy_id);
`;

const down = `
alter table api_key drop column legacy_id, drop column legacy_user_id;
drop table legacy_row;
`;

/** What was taken over from Lemur and as what, and the numbers that the API keys of Lemur name. */
export class LemurImport1763700000013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
