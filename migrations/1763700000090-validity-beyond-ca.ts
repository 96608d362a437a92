import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table authority add column validity_beyond_ca text not null default 'refuse'
  constraint authority_validity_beyond_ca check (validity_beyond_ca in ('refuse', 'shorten'));
alter table authority alter column validity_beyond_ca drop default;
update authority_csr set settings = settings || '{"validityBeyondCa": "refuse"}' where settings is not null;
comment on column authority.validity_beyond_ca is 'what becomes of a request whose end is after that of the authority';
`;

const down = `
update authority_csr set settings = settings - 'validityBeyondCa' where settings is not null;
alter table authority drop column validity_beyond_ca;
`;

/** An authority says whether it refuses or shortens a validity that ends after its own. */
export class ValidityBeyondCa1763700000090 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
