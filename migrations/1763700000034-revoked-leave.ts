import type { MigrationInterface, QueryRunner } from 'typeorm';

// Nobody has removed so far what a failing or interrupted delivery may have left of a certificate that was revoked, nor
// what stands under its own name beside a successor.
const up = `
alter table delivery drop constraint delivery_state;
alter table delivery add constraint delivery_state
  check (state in ('planned', 'delivered', 'failing', 'leaving', 'removing', 'removed', 'replaced', 'stopped', 'left'));
alter table delivery drop constraint delivery_open_has_attempt;
alter table delivery add constraint delivery_open_has_attempt
  check (state not in ('planned', 'failing', 'leaving', 'removing') or next_attempt_at is not null);

create or replace function keep_standing_delivery() returns trigger language plpgsql as $$
begin
  if old.state not in ('removed', 'replaced', 'stopped', 'left') and exists (select from certificate where id = old.certificate_id) then
    raise foreign_key_violation using constraint = 'delivery_destination', message = 'delete refused: delivery ' || old.id || ' is ' || old.state;
  end if;
  return old;
end $$;

drop index delivery_certificates;
create index delivery_certificates on delivery (destination_id, certificate_id)
  where state not in ('removing', 'removed', 'left');

update delivery d set state = 'leaving', attempts = 0, fault = null, fault_detail = null, next_attempt_at = now()
  from certificate c where c.id = d.certificate_id and c.state = 'revoked'
  and d.state in ('planned', 'failing', 'delivered', 'replaced', 'stopped')
  and (d.state = 'delivered' or d.location is not null or d.last_attempt_at is not null);
`;

const down = `
update delivery set state = 'removed' where state = 'left';
update delivery set state = 'removing' where state = 'leaving';
drop index delivery_certificates;
create index delivery_certificates on delivery (destination_id, certificate_id) where state not in ('removing', 'removed');
create or replace function keep_standing_delivery() returns trigger language plpgsql as $$
begin
  if old.state not in ('removed', 'replaced', 'stopped') and exists (select from certificate where id = old.certificate_id) then
    raise foreign_key_violation using constraint = 'delivery_destination', message = 'delete refused: delivery ' || old.id || ' is ' || old.state;
  end if;
  return old;
end $$;
alter table delivery drop constraint delivery_open_has_attempt;
alter table delivery add constraint delivery_open_has_attempt
  check (state not in ('planned', 'failing', 'removing') or next_attempt_at is not null);
alter table delivery drop constraint delivery_state;
alter table delivery add constraint delivery_state
  check (state in ('planned', 'delivered', 'failing', 'removing', 'removed', 'replaced', 'stopped'));
`;

/** Revoked certificates leave every place where they may stand; where nothing can remove them, the delivery is `left`. */
export class RevokedLeave1763700000034 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
