import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table certificate_fetch (
  certificate_id integer not null constraint certificate_fetch_certificate references certificate on delete cascade,
  api_key_id integer not null constraint certificate_fetch_api_key references api_key on delete cascade,
  fetched_at timestamptz not null,
  primary key (certificate_id, api_key_id)
);
create index certificate_fetch_api_key_id on certificate_fetch (api_key_id);
comment on table certificate_fetch is 'when an API key last fetched a certificate as the current one of its line';
`;

const down = `
drop table certificate_fetch;
`;

/** Which API keys fetch certificates as the current ones of their lines. */
export class CertificateFetches1763700000107 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
