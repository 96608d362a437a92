import type { MigrationInterface, QueryRunner } from 'typeorm';

// Destinations that exist stay open to everyone, as they were.
const up = `
alter table destination add column open boolean not null default false;
update destination set open = true;
alter table destination alter column open drop default;
create table destination_role (
  destination_id integer not null constraint destination_role_destination references destination on delete cascade,
  role_id integer not null constraint destination_role_role references role on delete cascade,
  primary key (destination_id, role_id)
);
create index destination_role_role_id on destination_role (role_id);
alter table source_certificate add column owner text;
`;

/**
 * Who may deliver to a destination: the holders of its roles, or everyone. Whose a source says that a certificate is;
 * null, until the next look, for the owner of the source.
 */
export class RightsOfPlaces1763700000037 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'drop table destination_role; alter table destination drop column open; ' +
        'alter table source_certificate drop column owner',
    );
  }
}
