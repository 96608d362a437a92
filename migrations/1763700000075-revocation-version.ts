import type { MigrationInterface, QueryRunner } from 'typeorm';

/*
 * Triggers that wait for the end of the transaction: it holds the one row only while it commits, and no process can see
 * the new version without the change.
 */
const up = `
create table revocation_version (
  id integer primary key default 1 constraint revocation_version_one_row check (id = 1),
  version bigint not null
);
insert into revocation_version (version) values (1);

-- Once for each transaction.
create function raise_revocation_version() returns trigger language plpgsql as $$
begin
  if current_setting('perennial.revocation_version', true) is distinct from 'raised' then
    update revocation_version set version = version + 1;
    perform set_config('perennial.revocation_version', 'raised', true);
  end if;
  return null;
end $$;

create constraint trigger certificate_revocation_version after update of state, revoked_at, revocation_reason
  on certificate deferrable initially deferred for each row
  when (old.state <> new.state and 'revoked' in (old.state, new.state)
    or old.revoked_at is distinct from new.revoked_at or old.revocation_reason is distinct from new.revocation_reason)
  execute function raise_revocation_version();
create constraint trigger revoked_certificate_version after insert or delete or update of reason, revoked_at
  on revoked_certificate deferrable initially deferred for each row execute function raise_revocation_version();

create index revoked_certificate_serial on revoked_certificate using hash (serial_hex);
`;

const down = `
drop index revoked_certificate_serial;
drop trigger revoked_certificate_version on revoked_certificate;
drop trigger certificate_revocation_version on certificate;
drop function raise_revocation_version();
drop table revocation_version;
`;

/** A version of what processes keep of the status of certificates: each revocation, hold and release raises it. */
export class RevocationVersion1763700000075 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
