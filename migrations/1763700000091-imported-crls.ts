import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table imported_crl (
  id integer generated always as identity primary key,
  authority_id integer not null constraint imported_crl_authority references authority on delete cascade,
  sha256 text not null,
  number numeric(49),
  this_update timestamptz not null,
  entries integer not null,
  imported_at timestamptz not null
);
create unique index imported_crl_of_authority on imported_crl (authority_id, sha256);
comment on column imported_crl.number is 'the CRLNumber; lists that are made here go on above it';

-- A CRLNumber has up to 20 octets (RFC 5280 §5.2.3).
alter table crl alter column number type numeric(49), alter column base_number type numeric(49);
`;

const down = `
delete from crl where number > 9223372036854775807;
alter table crl alter column number type bigint, alter column base_number type bigint;
drop table imported_crl;
`;

/** The CRLs that a CA has made elsewhere, and whose revocations were taken along. */
export class ImportedCrls1763700000091 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
