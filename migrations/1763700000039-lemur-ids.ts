import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate add column lemur_id integer;
update certificate c set lemur_id = l.legacy_id from (
  select id, min(legacy_id) as legacy_id from legacy_row where kind = 'certificate' group by id) l where l.id = c.id;
`;

/** The ids that certificates had in Lemur. */
export class LemurIds1763700000039 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table certificate drop column lemur_id');
  }
}
