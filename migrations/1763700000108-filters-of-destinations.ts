import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Certificates are stored and changed in many places, one of which is a single statement for each request. The triggers
 * write the job `certificate.join` in each of them, and nothing while no destination has a filter. A job that waits
 * already is locked, so that it starts after this change is committed.
 */
const up = `
create table destination_filter (
  destination_id integer primary key constraint destination_filter_destination references destination on delete cascade,
  owner text,
  authority_id integer constraint destination_filter_authority references authority,
  name_like text,
  label text,
  imported boolean not null default false,
  asker_id integer constraint destination_filter_asker references app_user on delete set null,
  api_key_id integer,
  set_at timestamptz not null,
  constraint destination_filter_selects check (num_nonnulls(owner, authority_id, name_like, label) > 0)
);
comment on column destination_filter.asker_id is 'with whose rights certificates join; null: none joins';
comment on column destination_filter.api_key_id is 'of the asker, who has only its rights; no reference, so that a key that is deleted gives no more rights';
create index destination_filter_authority_id on destination_filter (authority_id) where authority_id is not null;
create index destination_filter_asker_id on destination_filter (asker_id) where asker_id is not null;

create function look_for_destinations() returns trigger language plpgsql as $$
begin
  if exists (select from destination_filter) then
    insert into outbox (id, job, data, identity, lane, run_at)
    values (gen_random_uuid(), 'certificate.join', jsonb_build_object('certificateId', new.id),
      format('[["certificateId",%s]]', new.id), '', now())
    on conflict (job, identity) where state = 'due' and waiting
    do update set run_at = least(outbox.run_at, excluded.run_at);
  end if;
  return null;
end $$;
create trigger certificate_stored_joins after insert on certificate
  for each row when (new.state = 'issued') execute function look_for_destinations();
create trigger certificate_changed_joins
  after update of state, owner, authority_id, labels, sealed_key on certificate
  for each row when (new.state = 'issued' and (old.state <> new.state or lower(old.owner) <> lower(new.owner)
    or old.authority_id is distinct from new.authority_id or old.labels <> new.labels
    or (old.sealed_key is null) <> (new.sealed_key is null)))
  execute function look_for_destinations();
`;

const down = `
drop trigger certificate_changed_joins on certificate;
drop trigger certificate_stored_joins on certificate;
drop function look_for_destinations();
delete from outbox where job in ('certificate.join', 'destination.join');
drop table destination_filter;
`;

/** Destinations that certificates join because of their owner, authority, names or label. */
export class FiltersOfDestinations1763700000108 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
