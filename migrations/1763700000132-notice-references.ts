import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table notice drop constraint notice_certificate, drop constraint notice_subscription;

create function refer_notices() returns trigger language plpgsql as $$
declare
  certificate_ids integer[] := array(
    select distinct certificate_id from made where certificate_id is not null order by certificate_id);
  subscription_ids integer[] := array(
    select distinct subscription_id from made where subscription_id is not null order by subscription_id);
  found_rows integer;
begin
  perform from certificate where id = any(certificate_ids) order by id for key share;
  get diagnostics found_rows = row_count;
  if found_rows < cardinality(certificate_ids) then
    raise foreign_key_violation using constraint = 'notice_certificate', table = 'notice',
      message = 'a certificate of these notices does not exist';
  end if;
  perform from subscription where id = any(subscription_ids) order by id for key share;
  get diagnostics found_rows = row_count;
  if found_rows < cardinality(subscription_ids) then
    raise foreign_key_violation using constraint = 'notice_subscription', table = 'notice',
      message = 'a subscription of these notices does not exist';
  end if;
  return null;
end $$;
create trigger notice_refers after insert on notice referencing new table as made
  for each statement execute function refer_notices();

create function keep_reference() returns trigger language plpgsql as $$
begin
  raise restrict_violation using message = format('what a row of %s refers to does not change', tg_table_name);
end $$;
create trigger notice_keeps_references before update of certificate_id, subscription_id on notice for each row
  when ((old.certificate_id, old.subscription_id) is distinct from (new.certificate_id, new.subscription_id))
  execute function keep_reference();

create function remove_notices() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'certificate' then
    delete from notice where certificate_id = old.id;
  else
    delete from notice where subscription_id = old.id;
  end if;
  return null;
end $$;
create trigger certificate_remove_notices after delete on certificate
  for each row execute function remove_notices();
create trigger subscription_remove_notices after delete on subscription
  for each row execute function remove_notices();
`;

const down = `
drop trigger subscription_remove_notices on subscription;
drop trigger certificate_remove_notices on certificate;
drop function remove_notices();
drop trigger notice_keeps_references on notice;
drop function keep_reference();
drop trigger notice_refers on notice;
drop function refer_notices();
alter table notice
  add constraint notice_certificate foreign key (certificate_id) references certificate on delete cascade,
  add constraint notice_subscription foreign key (subscription_id) references subscription on delete cascade;
`;

/**
 * Notices refer to certificates and subscriptions by a check for each statement. The foreign keys made a query and a
 * lock for each notice, which took half of the time of the warnings: thousands of notices have the same subscription.
 */
export class NoticeReferences1763700000132 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
