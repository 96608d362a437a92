import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What authorities whose key is here have revoked, and their CRLs. */
export class RevocationLists1763700000071 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table revoked_certificate (
        authority_id integer not null constraint revoked_certificate_authority references authority,
        serial_hex text collate "C" not null,
        not_after timestamptz not null,
        revoked_at timestamptz not null,
        reason integer not null
          constraint revoked_certificate_reason check (reason between 0 and 10 and reason <> 7),
        invalidity_date timestamptz,
        shard integer constraint revoked_certificate_shard check (shard >= 0),
        changed_at timestamptz not null,
        entry_der bytea,
        primary key (authority_id, serial_hex)
      );
      comment on column revoked_certificate.reason is 'CRLReason; 8: it was on hold and is valid again';
      comment on column revoked_certificate.entry_der is 'its entry in a CRL; null until a CRL needs it';
      create index revoked_certificate_of_shard on revoked_certificate (authority_id, shard, serial_hex)
        where shard is not null;
      create index revoked_certificate_to_encode on revoked_certificate (authority_id) where entry_der is null;
      create index revoked_certificate_changed on revoked_certificate (authority_id, changed_at);

      create table crl (
        id integer generated always as identity primary key,
        authority_id integer not null constraint crl_authority references authority on delete cascade,
        shard integer constraint crl_shard check (shard >= 0),
        urls text[] not null,
        number bigint,
        base_number bigint,
        base_at timestamptz,
        entries integer not null default 0,
        this_update timestamptz,
        next_update timestamptz,
        der bytea,
        delta_der bytea,
        due_at timestamptz,
        overdue_at timestamptz,
        fault_detail text,
        constraint crl_made check (num_nulls(number, base_number, base_at, this_update, next_update, der) in (0, 6))
      );
      comment on column crl.shard is 'null: the list of all certificates of the authority';
      comment on column crl.base_at is 'when the CRL was made that delta CRLs refer to, the last one on schedule';
      alter table crl alter column der set storage external, alter column delta_der set storage external;
      create unique index crl_of_authority on crl (authority_id, coalesce(shard, -1));
      create index crl_overdue on crl (overdue_at) where overdue_at is not null;
      create index crl_due on crl (due_at) where due_at is not null;

      insert into revoked_certificate
        (authority_id, serial_hex, not_after, revoked_at, reason, changed_at)
      select distinct on (c.authority_id, c.serial_hex)
        c.authority_id, c.serial_hex, c.not_after, c.revoked_at, coalesce(c.revocation_reason, 0), c.revoked_at
      from certificate c join authority a on a.id = c.authority_id
      where c.state = 'revoked' and a.key_id is not null and c.serial_hex is not null and c.revoked_at is not null
        and coalesce(c.revocation_reason, 0) not in (6, 7, 8)
      order by c.authority_id, c.serial_hex, c.revoked_at;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table crl; drop table revoked_certificate');
  }
}
