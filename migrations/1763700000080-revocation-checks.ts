import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table revocation_check (
  certificate_id integer primary key constraint revocation_check_certificate references certificate on delete cascade,
  status text,
  why text,
  source text,
  checked_at timestamptz,
  next_check_at timestamptz,
  constraint revocation_check_status check (status in ('valid', 'revoked', 'unknown')),
  constraint revocation_check_source check (source in ('ocsp', 'crl', 'authority', 'none')),
  constraint revocation_check_result check (
    (status is null) = (why is null) and (status is null) = (source is null) and (status is null) = (checked_at is null))
);
create index revocation_check_due on revocation_check (next_check_at) where next_check_at is not null;
`;

/** What the CA of a certificate said when it was last asked whether it is revoked, and when it is asked again. */
export class RevocationChecks1763700000080 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table revocation_check');
  }
}
