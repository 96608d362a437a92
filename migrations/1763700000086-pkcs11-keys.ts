import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
-- A key in a PKCS#11 token: its CKA_ID there, and its public key.
alter table signing_key
  add column store text not null default 'sealed',
  add column device_id bytea,
  add column spki_der bytea,
  alter column sealed_key drop not null;
alter table signing_key add constraint signing_key_place check (
  (store = 'sealed' and sealed_key is not null and num_nonnulls(device_id, spki_der) = 0)
  or (store = 'pkcs11' and sealed_key is null and num_nonnulls(device_id, spki_der) = 2));
`;

const down = `
do $$ begin
  if exists (select from signing_key where store <> 'sealed') then
    raise exception 'Authorities have keys in a PKCS#11 token, which the version of before does not know.';
  end if;
end $$;
alter table signing_key drop constraint signing_key_place;
alter table signing_key drop column store, drop column device_id, drop column spki_der,
  alter column sealed_key set not null;
`;

/** Keys of CAs in a hardware module. */
export class Pkcs11Keys1763700000086 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
