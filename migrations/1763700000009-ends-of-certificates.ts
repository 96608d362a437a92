import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate
  add column deleted_at timestamptz,
  add column awaits_deployment boolean not null default false;
drop index certificate_one_renewal;
create unique index certificate_one_renewal on certificate (renews_id)
  where renews_id is not null and state not in ('failed', 'cancelled', 'revoked') and deleted_at is null;
create unique index certificate_sha256 on certificate (sha256) where sha256 is not null;

alter table delivery drop constraint delivery_destination;
alter table delivery add constraint delivery_destination foreign key (destination_id) references destination on delete cascade;

create function keep_standing_delivery() returns trigger language plpgsql as $$
begin
  if old.state not in ('removed', 'replaced', 'stopped') and exists (select from certificate where id = old.certificate_id) then
    raise foreign_key_violation using constraint = 'delivery_destination', message = 'delete refused: delivery ' || old.id || ' is ' || old.state;
  end if;
  return old;
end $$;
create trigger delivery_keep_standing before delete on delivery for each row execute function keep_standing_delivery();
`;

const down = `
drop trigger delivery_keep_standing on delivery;
drop function keep_standing_delivery();
alter table delivery drop constraint delivery_destination;
alter table delivery add constraint delivery_destination foreign key (destination_id) references destination;

drop index certificate_sha256;
drop index certificate_one_renewal;
create unique index certificate_one_renewal on certificate (renews_id)
  where renews_id is not null and state not in ('failed', 'cancelled', 'revoked');
alter table certificate drop column deleted_at, drop column awaits_deployment;
`;

/**
 * Certificates can be deleted without being lost, or be renewed by one that nothing delivers. Deliveries go with their
 * destination, unless they still stand there.
 */
export class EndsOfCertificates1763700000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
