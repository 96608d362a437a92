import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Groups the rows (`id`, `name`) of `from`, neighbours in the alphabet together: they have most trigrams in common. */
const grouped = (search: string, from: string): string => `
  insert into ${search} (ids, lines)
    select array_agg(id order by place), E'\\n' || string_agg(line || E'\\n', '' order by place)
    from (select id, translate(name, E'\\n', ' ') as line, row_number() over (order by name, id) as place
      from ${from}) as named
    group by (place - 1) / 16;`;

/*
 * A trigram index has an entry for each trigram of each row, and a name has thirty to sixty of them. Names that are
 * stored together are one row here, so that a trigram that they share is one entry.
 */
const up = `
create table domain_search (ids integer[] not null, lines text not null);
create table certificate_search (ids integer[] not null, lines text not null);
${grouped('domain_search', 'domain')}
${grouped('certificate_search', '(select id, lower(name) as name from certificate) as c')}
drop index domain_name_trigrams;
drop index certificate_name_trigrams;
create index domain_search_trigrams on domain_search using gin (lines gin_trgm_ops);
create index certificate_search_trigrams on certificate_search using gin (lines gin_trgm_ops);
analyze domain_search, certificate_search;

create function group_domains() returns trigger language plpgsql as $$
begin
  ${grouped('domain_search', 'made')}
  return null;
end $$;
create trigger domain_grouped after insert on domain
  referencing new table as made for each statement execute function group_domains();

create function group_certificates() returns trigger language plpgsql as $$
begin
  ${grouped('certificate_search', '(select id, lower(name) as name from made) as c')}
  return null;
end $$;
create trigger certificate_grouped after insert on certificate
  referencing new table as made for each statement execute function group_certificates();

-- The former name stays in its group: a search compares what it finds with the certificate.
create function group_renamed() returns trigger language plpgsql as $$
begin
  insert into certificate_search (ids, lines)
    values (array[new.id], E'\\n' || translate(lower(new.name), E'\\n', ' ') || E'\\n');
  return null;
end $$;
create trigger certificate_renamed after update of name on certificate
  for each row when (old.name <> new.name) execute function group_renamed();
`;

const down = `
drop trigger certificate_renamed on certificate;
drop function group_renamed();
drop trigger certificate_grouped on certificate;
drop function group_certificates();
drop trigger domain_grouped on domain;
drop function group_domains();
create index certificate_name_trigrams on certificate using gin (lower(name) gin_trgm_ops);
alter index certificate_name_trigrams alter column 1 set statistics 1000;
create index domain_name_trigrams on domain using gin (name gin_trgm_ops);
drop table certificate_search;
drop table domain_search;
`;

/** Finds names by parts of them in groups of names. */
export class NamesInGroups1763700000067 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
