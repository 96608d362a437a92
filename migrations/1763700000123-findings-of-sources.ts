import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Another certificate that takes a location does not end the finding before it: that becomes stale by the usual rule.
 * The first sight of older findings is not known, so that the last one stands for it.
 */
const up = `
alter table source_certificate
  add column id integer generated always as identity primary key,
  add column first_seen_at timestamptz;
update source_certificate set first_seen_at = seen_at;
alter table source_certificate alter column first_seen_at set not null;
drop index source_certificate_location;
create unique index source_certificate_location on source_certificate
  (source_id, left(location, 300), hashtextextended(location, 0), certificate_id);
create index source_certificate_newest on source_certificate (source_id, id);
`;

const down = `
delete from source_certificate o using source_certificate n
  where n.source_id = o.source_id and n.location = o.location and (n.seen_at, n.id) > (o.seen_at, o.id);
drop index source_certificate_newest;
drop index source_certificate_location;
create unique index source_certificate_location on source_certificate
  (source_id, left(location, 300), hashtextextended(location, 0));
alter table source_certificate drop column first_seen_at, drop column id;
`;

/** A location of a source may have several findings, each with an id and its first sight. */
export class FindingsOfSources1763700000123 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
