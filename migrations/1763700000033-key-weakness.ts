import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate add column key_weakness text;
create index certificate_compromised_key on certificate (spki_sha256) where revocation_reason = 1;
`;

const down = `
drop index certificate_compromised_key;
alter table certificate drop column key_weakness;
`;

/** Keeps why the key of an imported or discovered certificate can be found by anybody. */
export class KeyWeakness1763700000033 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
