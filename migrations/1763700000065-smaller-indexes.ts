import type { MigrationInterface, QueryRunner } from 'typeorm';

const linkNames = (links: string): string => `
create or replace function link_names(certificate_ids integer[], names text[])
  returns table (certificate_id integer, id integer, name text, sensitive boolean) language plpgsql volatile
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  insert into domain (name)
    select distinct n from unnest(names) n where not exists (select from domain d where d.name = n) order by n
    on conflict (name) do nothing;
  return query
    with found as (
      select distinct w.c, d.id, d.name, d.sensitive from unnest(certificate_ids, names) as w (c, n)
        join domain d on d.name = w.n),
    linked as (insert into certificate_domain (certificate_id, domain_id) select f.c, f.id from found f
      ${links})
    select f.c, f.id, f.name, f.sensitive from found f;
end $$;`;

// Hexadecimal text is the same as bytea, and is cast without regard to settings.
const up = `
drop index certificate_serial;
create unique index certificate_serial
  on certificate (substring(sha256((issuer_sha256 || ' ' || serial_hex)::bytea) for 16));
drop index certificate_spki_sha256;
create index certificate_spki_sha256 on certificate using hash (spki_sha256);
-- Rows of a certificate are only linked by the transaction that has made or locked it.
${linkNames('where not exists (select from certificate_domain l where l.certificate_id = f.c and l.domain_id = f.id)')}
`;

const down = `
${linkNames('on conflict do nothing')}
drop index certificate_spki_sha256;
create index certificate_spki_sha256 on certificate (spki_sha256);
drop index certificate_serial;
create unique index certificate_serial
  on certificate (issuer_sha256, left(serial_hex, 64), hashtextextended(serial_hex, 0)) where serial_hex is not null;
`;

/** Smaller entries in the indexes that are found by equality alone. */
export class SmallerIndexes1763700000065 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
