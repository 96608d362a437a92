import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate add column answered_at timestamptz;
create index certificate_unfinished on certificate (id) where state in ('requested', 'pending');
`;

const down = `
drop index certificate_unfinished;
alter table certificate drop column answered_at;
`;

/** When an issuer last answered about a certificate that it works on, and an index of those. */
export class IssuerAnswers1763700000014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
