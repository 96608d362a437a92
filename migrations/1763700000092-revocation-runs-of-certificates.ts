import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds the runs of a certificate that is merged with another row. */
export class RevocationRunsOfCertificates1763700000092 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index revocation_run_item_certificate_id on revocation_run_item (certificate_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index revocation_run_item_certificate_id');
  }
}
