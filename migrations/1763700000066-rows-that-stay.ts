import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * A foreign key costs a query and a row lock for each new row. These three prove nothing:
 * - Names and chains are never deleted, which triggers enforce. The id in a new row comes from the same statement.
 * - Names are linked only by the transaction that has made or locked the certificate, so nobody can delete it meanwhile.
 */
const up = `
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % stay as they are', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger domain_stays before delete or update of id, name on domain
  for each row execute function refuse_change();
create trigger domain_stays_whole before truncate on domain
  for each statement execute function refuse_change();
create trigger certificate_chain_stays before delete or update on certificate_chain
  for each row execute function refuse_change();
create trigger certificate_chain_stays_whole before truncate on certificate_chain
  for each statement execute function refuse_change();

create function unlink_names() returns trigger language plpgsql as $$
begin
  delete from certificate_domain where certificate_id = old.id;
  return null;
end $$;
create trigger certificate_unlink_names after delete on certificate
  for each row execute function unlink_names();

alter table certificate_domain
  drop constraint certificate_domain_certificate,
  drop constraint certificate_domain_domain;
alter table certificate drop constraint certificate_chain;
`;

const down = `
alter table certificate add constraint certificate_chain foreign key (chain_id) references certificate_chain;
alter table certificate_domain
  add constraint certificate_domain_certificate foreign key (certificate_id) references certificate on delete cascade,
  add constraint certificate_domain_domain foreign key (domain_id) references domain;

drop trigger certificate_unlink_names on certificate;
drop function unlink_names();
drop trigger certificate_chain_stays_whole on certificate_chain;
drop trigger certificate_chain_stays on certificate_chain;
drop trigger domain_stays_whole on domain;
drop trigger domain_stays on domain;
drop function refuse_change();
`;

/** Stores certificates without the checks of foreign keys to rows that are never deleted. */
export class RowsThatStay1763700000066 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
