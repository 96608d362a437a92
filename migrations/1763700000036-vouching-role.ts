import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate add column vouching_role text;
update certificate set vouching_role = owner where owner_vouches;
alter table certificate drop column owner_vouches;
`;

const down = `
alter table certificate add column owner_vouches boolean not null default false;
update certificate set owner_vouches = true where lower(vouching_role) = lower(owner);
alter table certificate drop column vouching_role;
`;

/**
 * Names the role by whose rights on names a certificate renews. It stays the former owner's after a hand-over, until
 * the new owner accepts.
 */
export class VouchingRole1763700000036 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
