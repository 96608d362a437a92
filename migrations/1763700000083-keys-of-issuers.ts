import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
-- An authority whose key is here may have several certificates too: of one key, or of keys that followed one another.
alter table authority_issuer add column key_id integer constraint authority_issuer_key references signing_key;
create index authority_issuer_key_id on authority_issuer (key_id) where key_id is not null;
alter table authority_issuer drop constraint authority_issuer_origin;
alter table authority_issuer add constraint authority_issuer_origin
  check (origin in ('created', 'described', 'uploaded', 'renewed', 'cross-signed'));
`;

const down = `
-- The version of before knows one key for each authority: with another one revocation would end for what it signed.
do $$ begin
  if exists (select from authority_issuer i join authority a on a.id = i.authority_id
      where i.key_id is distinct from a.key_id) then
    raise exception 'Authorities have keys that the version of before does not know. Restore a backup instead.';
  end if;
end $$;
delete from authority_issuer where key_id is not null;
alter table authority_issuer drop constraint authority_issuer_origin;
alter table authority_issuer add constraint authority_issuer_origin
  check (origin in ('created', 'described', 'uploaded'));
alter table authority_issuer drop column key_id;
`;

/** An authority keeps its earlier keys and certificates when it is renewed. */
export class KeysOfIssuers1763700000083 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
