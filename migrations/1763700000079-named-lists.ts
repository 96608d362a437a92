import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A revoked certificate may name a CRL that is only made later: it moves to the shard of that CRL then. */
export class NamedLists1763700000079 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table revoked_certificate add column urls text[];
      comment on column revoked_certificate.urls is 'the CRLs that it names, while no shard here is one of them';
      create index revoked_certificate_unmatched on revoked_certificate (authority_id) where urls is not null;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table revoked_certificate drop column urls');
  }
}
