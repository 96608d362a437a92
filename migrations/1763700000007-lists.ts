import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Each order of the list of certificates has an index that begins with `retired`, so that a page costs the same
 * wherever it begins and however many ended long ago. What lists count and sum up is read from indexes alone, which
 * wants the visibility map to be fresh: hence the vacuum after every fiftieth of the table, not fifth.
 */
const up = `
alter table certificate add column retired boolean not null default false;
alter table certificate set (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

drop index certificate_name;
create unique index certificate_name on certificate (name) include (id, retired);
create index certificate_newest on certificate (retired, id);
drop index certificate_not_after;
create index certificate_not_after on certificate (retired, not_after, id);
create index certificate_not_before on certificate (retired, not_before, id);
create index certificate_created_at on certificate (retired, created_at, id);
drop index certificate_owner;
create index certificate_owner on certificate (retired, lower(owner), id);
drop index certificate_common_name;
create index certificate_common_name on certificate (retired, lower(common_name), id);
create index certificate_issuer on certificate (retired, issuer, id) include (not_after);
create index certificate_state on certificate (retired, state, id) include (notify, rotation);
create index certificate_creator on certificate (retired, creator_id, id);
drop index certificate_authority_id;
create index certificate_authority_id on certificate (authority_id, retired, id);
create index certificate_serial_hex on certificate (serial_hex);
create index certificate_kind on certificate (issuer, key_type, bits, signing_algorithm);
create index certificate_external_id on certificate (lower(external_id)) where external_id is not null;
create index certificate_description on certificate using gin (lower(description) gin_trgm_ops) where description is not null;

create index delivery_certificates on delivery (destination_id, certificate_id) where state not in ('removing', 'removed');
create index notice_notification_id on notice (notification_id);
alter table domain alter column name set statistics 1000;
alter index certificate_name_trigrams alter column 1 set statistics 1000;
`;

const down = `
alter index certificate_name_trigrams alter column 1 set statistics -1;
alter table domain alter column name set statistics -1;
drop index notice_notification_id;
drop index delivery_certificates;

drop index certificate_description;
drop index certificate_external_id;
drop index certificate_kind;
drop index certificate_serial_hex;
drop index certificate_authority_id;
create index certificate_authority_id on certificate (authority_id, id);
drop index certificate_creator;
drop index certificate_state;
drop index certificate_issuer;
drop index certificate_common_name;
create index certificate_common_name on certificate (lower(common_name));
drop index certificate_owner;
create index certificate_owner on certificate (lower(owner), id);
drop index certificate_created_at;
drop index certificate_not_before;
drop index certificate_not_after;
create index certificate_not_after on certificate (not_after, id);
drop index certificate_newest;
drop index certificate_name;
create unique index certificate_name on certificate (name);
alter table certificate reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor);
alter table certificate drop column retired;
`;

/** What the lists of certificates need at a million of them. */
export class Lists1763700000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
