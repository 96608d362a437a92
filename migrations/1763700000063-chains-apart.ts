import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Each `alter table` rewrites the table once. The DER of a certificate does not become smaller by compression, which
 * `external` saves.
 */
const up = `
create table certificate_chain (
  id integer generated always as identity primary key,
  sha256 bytea not null,
  chain_pem text not null
);
create unique index certificate_chain_sha256 on certificate_chain (sha256);

-- The id of a chain, which is stored when it is new. Null for an empty chain.
create function keep_chain(pem text) returns integer language plpgsql volatile set enable_seqscan = off as $$
declare
  fingerprint bytea := sha256(convert_to(pem, 'UTF8'));
  kept integer;
begin
  if pem is null or pem = '' then return null; end if;
  select id into kept from certificate_chain where sha256 = fingerprint;
  if kept is null then
    insert into certificate_chain (sha256, chain_pem) values (fingerprint, pem)
      on conflict (sha256) do nothing returning id into kept;
  end if;
  -- Another transaction has stored it meanwhile.
  if kept is null then select id into kept from certificate_chain where sha256 = fingerprint; end if;
  return kept;
end $$;

create function pg_temp.der(pem text) returns bytea language sql immutable as $$
  select decode(regexp_replace(pem, '-----[^-]*-----', '', 'g'), 'base64') $$;
alter table certificate alter column body_pem set storage external, alter column csr_pem set storage external;
alter table certificate
  alter column body_pem type bytea using pg_temp.der(body_pem),
  alter column csr_pem type bytea using pg_temp.der(csr_pem),
  alter column chain_pem type integer using keep_chain(chain_pem);
drop function pg_temp.der(text);
alter table certificate rename column body_pem to body_der;
alter table certificate rename column csr_pem to csr_der;
alter table certificate rename column chain_pem to chain_id;
alter table certificate add constraint certificate_chain foreign key (chain_id) references certificate_chain;
`;

const down = `
create function pg_temp.pem(label text, der bytea) returns text language sql immutable as $$
  select format(E'-----BEGIN %1$s-----\\n%2$s-----END %1$s-----\\n', label,
    regexp_replace(translate(encode(der, 'base64'), E'\\n', ''), '(.{1,64})', E'\\\\1\\n', 'g')) where der is not null $$;
create function pg_temp.chain(kept integer) returns text language sql stable as $$
  select chain_pem from certificate_chain where id = kept $$;
alter table certificate drop constraint certificate_chain;
alter table certificate rename column chain_id to chain_pem;
alter table certificate rename column csr_der to csr_pem;
alter table certificate rename column body_der to body_pem;
alter table certificate alter column body_pem set storage extended, alter column csr_pem set storage extended;
alter table certificate
  alter column body_pem type text using pg_temp.pem('CERTIFICATE', body_pem),
  alter column csr_pem type text using pg_temp.pem('CERTIFICATE REQUEST', csr_pem),
  alter column chain_pem type text using pg_temp.chain(chain_pem);
drop function pg_temp.pem(text, bytea);
drop function pg_temp.chain(integer);
drop function keep_chain(text);
drop table certificate_chain;
`;

/** Stores a chain once for all its certificates, and certificates and CSRs as DER. */
export class ChainsApart1763700000063 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
