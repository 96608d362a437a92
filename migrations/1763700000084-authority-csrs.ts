import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
-- A key of a CA that waits for its certificate from a CA elsewhere: of an authority that is made when the certificate
-- arrives (name, settings), or of one that is renewed.
create table authority_csr (
  id integer generated always as identity primary key,
  name text not null,
  authority_id integer constraint authority_csr_authority references authority on delete cascade,
  key_id integer not null constraint authority_csr_key references signing_key,
  csr_pem text not null,
  settings jsonb,
  secret_id uuid not null,
  sealed_options bytea,
  creator_id integer constraint authority_csr_creator references app_user,
  created_at timestamptz not null,
  constraint authority_csr_purpose check ((authority_id is null) = (settings is not null))
);
create unique index authority_csr_name on authority_csr (lower(name)) where authority_id is null;
create index authority_csr_authority_id on authority_csr (authority_id) where authority_id is not null;
create index authority_csr_key_id on authority_csr (key_id);
`;

const down = `
-- Their keys are nowhere else, and a certificate may be on its way.
do $$ begin
  if exists (select from authority_csr) then
    raise exception 'Keys of authorities wait for their certificate. Hand it in or drop the requests first.';
  end if;
end $$;
drop table authority_csr;
`;

/** Authorities whose certificate a CA elsewhere signs. */
export class AuthorityCsrs1763700000084 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
