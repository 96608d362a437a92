import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Refuses every change of a row; `unless` returns before that. */
const appendOnly = (unless: string): string => `
  create or replace function audit_event_append_only() returns trigger language plpgsql as $$
  begin
    ${unless}
    raise exception 'audit events are append-only' using errcode = 'restrict_violation';
  end $$;`;

/** An event changed once before, when it was sealed. */
const sealing = `
    if tg_op = 'UPDATE' and old.seq is null and new.seq is not null and (new.key_id is not null or new.hash is null)
      and (new.id, new.at, new.action, new.target_type, new.target_id, new.actor_user_id, new.api_key_id,
           new.actor_name, new.address, new.request_id, new.before::text, new.after::text)
        is not distinct from
          (old.id, old.at, old.action, old.target_type, old.target_id, old.actor_user_id, old.api_key_id,
           old.actor_name, old.address, old.request_id, old.before::text, old.after::text)
    then
      return new;
    end if;`;

// Hashes do not become smaller by compression, which `external` saves.
const up = `
lock table audit_event in access exclusive mode;
create table audit_seal (
  first_seq bigint primary key constraint audit_seal_first_seq check (first_seq > 0),
  event_ids bigint[] not null,
  prev_hashes bytea[] not null,
  hashes bytea[] not null,
  key_id text,
  top_id bigint not null,
  id_range int8range not null,
  constraint audit_seal_whole check (cardinality(event_ids) > 0
    and cardinality(event_ids) = cardinality(hashes) and cardinality(prev_hashes) = cardinality(hashes))
);
alter table audit_seal alter column event_ids set storage external, alter column prev_hashes set storage external,
  alter column hashes set storage external;
create table audit_gap (
  first_id bigint primary key,
  last_id bigint not null,
  since timestamptz not null default now(),
  constraint audit_gap_order check (first_id <= last_id)
);

insert into audit_seal (first_seq, event_ids, prev_hashes, hashes, key_id, top_id, id_range)
select min(seq), array_agg(id order by seq), array_agg(prev_hash order by seq), array_agg(hash order by seq), key_id,
  max(max(id)) over (order by min(seq)), int8range(min(id), max(id), '[]')
-- The seqs of a run follow one another, and one key sealed them.
from (select *, seq - row_number() over (partition by key_id order by seq) as run
  from audit_event where seq is not null) as e
group by key_id, run, (seq - 1) / 250;
insert into audit_gap (first_id, last_id)
  select id, id from audit_event where seq is null and id < (select max(top_id) from audit_seal);
create index audit_seal_id_range on audit_seal using gist (id_range);

alter table audit_event drop column seq, drop column prev_hash, drop column hash, drop column key_id;
${appendOnly('')}
create trigger audit_seal_rows before update or delete on audit_seal
  for each row execute function audit_event_append_only();
create trigger audit_seal_whole before truncate on audit_seal
  for each statement execute function audit_event_append_only();
`;

const down = `
alter table audit_event add column seq bigint, add column prev_hash bytea, add column hash bytea, add column key_id text;
alter table audit_event disable trigger user;
update audit_event e set seq = l.seq, prev_hash = l.prev_hash, hash = l.hash, key_id = l.key_id
from (select u.id, s.first_seq + u.place - 1 as seq, u.prev_hash, u.hash, s.key_id from audit_seal s
  cross join unnest(s.event_ids, s.prev_hashes, s.hashes) with ordinality as u(id, prev_hash, hash, place)) as l
where e.id = l.id;
alter table audit_event enable trigger user;
alter table audit_event
  add constraint audit_event_sealed check (num_nulls(seq, prev_hash, hash) = 3
    or (num_nulls(seq, prev_hash, hash) = 0 and seq > 0 and octet_length(prev_hash) = 32 and octet_length(hash) = 32)),
  add constraint audit_event_key check (key_id is null or seq is not null);
create unique index audit_event_seq_unique on audit_event (seq);
create index audit_event_unsealed_index on audit_event (id) where seq is null;
drop table audit_gap;
drop table audit_seal;
${appendOnly(sealing)}
`;

/** Keeps the hash chain in rows of its own, one for each batch of events, so that sealing changes no event. */
export class AuditSeals1763700000064 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
