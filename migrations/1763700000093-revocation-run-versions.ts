import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table revocation_run add column version integer not null default 1;
comment on column revocation_run.version is 'grows when the state, the actor or the pace changes';
create index revocation_run_stopped on revocation_run (id) where state = 'paused' and fault_detail is not null;
`;

/** Whoever changes a run says which version of it they have read. */
export class RevocationRunVersions1763700000093 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index revocation_run_stopped; alter table revocation_run drop column version');
  }
}
