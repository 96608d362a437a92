import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Each query of a volatile function sees what was committed before that query, not only before the statement that calls
 * it: so one statement can wait for others and then see what they did.
 */
const up = `
-- Locks keys until the transaction ends, in one order for all callers; gives those that must not be certified for this owner.
create function claim_keys(keys text[], owners text[], moment timestamptz)
  returns table (key text, is_compromised boolean, is_of_another boolean) language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('certificate.key:' || k, 0))
    from (select distinct k from unnest(keys) k order by k) sorted;
  return query
    select claim.k, coalesce(bool_or(c.revocation_reason = 1), false),
      coalesce(bool_or(lower(c.owner) <> lower(claim.o) and c.not_after > moment and c.deleted_at is null
        and c.state in ('requested', 'pending', 'issued', 'superseded')), false)
    from unnest(keys, owners) as claim (k, o) join certificate c on c.spki_sha256 = claim.k
    group by claim.k;
end $$;

-- Links certificates with their names, and makes names that are new, in one order for all callers.
create function link_names(certificate_ids integer[], names text[])
  returns table (certificate_id integer, id integer, name text, sensitive boolean) language plpgsql volatile as $$
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
      on conflict do nothing)
    select f.c, f.id, f.name, f.sensitive from found f;
end $$;
`;

const down = `
drop function link_names(integer[], text[]);
drop function claim_keys(text[], text[], timestamptz);
`;

/** What makes it possible to store a certificate in one statement. */
export class OneStatement1763700000060 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
