import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate add column to_replace boolean not null default false;
alter table certificate add constraint certificate_to_replace check (state = 'revoked' or not to_replace);
create index certificate_spki_sha256 on certificate (spki_sha256);
`;

const down = `
drop index certificate_spki_sha256;
alter table certificate drop constraint certificate_to_replace;
alter table certificate drop column to_replace;
`;

/** A revoked certificate can wait for a successor; certificates that share a key are found. */
export class RevokedAreReplaced1763700000035 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
