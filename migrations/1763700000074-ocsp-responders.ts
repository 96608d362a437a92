import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table ocsp_responder (
  id integer generated always as identity primary key,
  authority_id integer not null references authority on delete cascade,
  ca_spki_sha256 text not null,
  serial_hex text not null,
  certificate_pem text not null,
  secret_id uuid not null,
  sealed_key bytea,
  not_before timestamptz not null,
  not_after timestamptz not null,
  created_at timestamptz not null
);
create unique index ocsp_responder_secret on ocsp_responder (secret_id);
create index ocsp_responder_newest on ocsp_responder (authority_id, ca_spki_sha256, not_after);
create index ocsp_responder_serial on ocsp_responder (serial_hex);
create index ocsp_responder_key on ocsp_responder (not_after) where sealed_key is not null;
`;

/** Certificates with which other keys than that of the CA sign OCSP responses, and these keys. */
export class OcspResponders1763700000074 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table ocsp_responder');
  }
}
