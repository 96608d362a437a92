import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table source add column position text;
-- missed: how many complete syncs in a row have not seen it. stale_since: set by the second of them.
alter table endpoint
  add column sync_id integer,
  add column missed integer not null default 0,
  add column stale_since timestamptz;
alter table source_certificate
  add column logged boolean not null default false,
  add column missed integer not null default 0,
  add column stale_since timestamptz;
`;

const down = `
-- Before, a finding that a complete sync had not seen was deleted.
delete from source_certificate where stale_since is not null;
alter table source_certificate drop column stale_since, drop column missed, drop column logged;
alter table endpoint drop column stale_since, drop column missed, drop column sync_id;
alter table source drop column position;
`;

/** Endpoints and findings that two complete syncs in a row have not seen are stale, and a source has a position. */
export class StaleFindings1763700000116 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
