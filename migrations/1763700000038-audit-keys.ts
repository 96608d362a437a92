import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The trigger function lets a row change once, when it is sealed; `condition` is what the seal itself must fulfil. */
const appendOnly = (condition: string): string => `
  create or replace function audit_event_append_only() returns trigger language plpgsql as $$
  begin
    if tg_op = 'UPDATE' and old.seq is null and new.seq is not null${condition}
      and (new.id, new.at, new.action, new.target_type, new.target_id, new.actor_user_id, new.api_key_id,
           new.actor_name, new.address, new.request_id, new.before::text, new.after::text)
        is not distinct from
          (old.id, old.at, old.action, old.target_type, old.target_id, old.actor_user_id, old.api_key_id,
           old.actor_name, old.address, old.request_id, old.before::text, old.after::text)
    then
      return new;
    end if;
    raise exception 'audit events are append-only' using errcode = 'restrict_violation';
  end $$;`;

// A process of the version before, which still runs, must not seal without a key: the trigger refuses that.
const up = `
alter table audit_event add column key_id text;
alter table audit_event add constraint audit_event_key check (key_id is null or seq is not null);
create table audit_head (
  is_only    boolean primary key default true check (is_only),
  seq        bigint not null check (seq >= 0),
  hash       bytea not null check (octet_length(hash) = 32),
  keyed_from bigint not null check (keyed_from > 0),
  key_id     text not null,
  mac        bytea not null check (octet_length(mac) = 32)
);
create table audit_anchor (
  target  text primary key,
  seq     bigint not null,
  hash    bytea not null,
  sent_at timestamptz not null
);
${appendOnly(' and (new.key_id is not null or new.hash is null)')}
`;

const down = `
${appendOnly('')}
drop table audit_anchor;
drop table audit_head;
alter table audit_event drop constraint audit_event_key, drop column key_id;
`;

/** The key that sealed an audit event, a keyed record of the newest one, and which of them was sent where. */
export class AuditKeys1763700000038 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
