import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
-- The certificates with which a CA issues whose key is elsewhere. The authority's own certificate counts as one of
-- them, whether or not it has a row here.
create table authority_issuer (
  id integer generated always as identity primary key,
  authority_id integer not null constraint authority_issuer_authority references authority,
  certificate_pem text not null,
  chain_pem text[] not null,
  subject text not null,
  serial_hex text not null,
  key_identifier text,
  sha256 text not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  origin text not null constraint authority_issuer_origin check (origin in ('created', 'described', 'uploaded')),
  creator_id integer constraint authority_issuer_creator references app_user,
  created_at timestamptz not null
);
create unique index authority_issuer_certificate on authority_issuer (authority_id, sha256);
`;

const down = `
drop table authority_issuer;
`;

/** A CA that exists elsewhere issues with a set of certificates, which may grow. */
export class AuthorityIssuers1763700000045 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
