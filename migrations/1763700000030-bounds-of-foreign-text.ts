import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * An entry of a B-tree holds at most 2,704 octets, and a certificate that others have made may say more: a serial number
 * of thousands of octets, a common name of thousands of characters, a long path. A hash has no such bound; where an
 * index is unique or in order, it holds the beginning of the text, and the hash of the whole.
 */
const up = `
drop index certificate_serial;
create unique index certificate_serial on certificate (issuer_sha256, left(serial_hex, 64), hashtextextended(serial_hex, 0))
  where serial_hex is not null;
drop index certificate_serial_hex;
create index certificate_serial_hex on certificate using hash (serial_hex);
drop index certificate_common_name;
create index certificate_common_name on certificate (retired, left(lower(common_name), 300), id);
drop index certificate_external_id;
create index certificate_external_id on certificate using gin (lower(external_id) gin_trgm_ops) where external_id is not null;

alter table source_certificate drop constraint source_certificate_pkey;
create unique index source_certificate_location on source_certificate
  (source_id, left(location, 300), hashtextextended(location, 0));
`;

const down = `
drop index source_certificate_location;
alter table source_certificate add primary key (source_id, location);

drop index certificate_external_id;
create index certificate_external_id on certificate (lower(external_id)) where external_id is not null;
drop index certificate_common_name;
create index certificate_common_name on certificate (retired, lower(common_name), id);
drop index certificate_serial_hex;
create index certificate_serial_hex on certificate (serial_hex);
drop index certificate_serial;
create unique index certificate_serial on certificate (issuer_sha256, serial_hex) where serial_hex is not null;
`;

/** Indexes that take a text of any length. */
export class BoundsOfForeignText1763700000030 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
