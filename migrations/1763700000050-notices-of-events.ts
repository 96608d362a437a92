import type { MigrationInterface, QueryRunner } from 'typeorm';

const key = `'authority.expiring:' || authority_id || ':' || lead_days || ':' || (extract(epoch from not_after) * 1000)::bigint`;

const up = `
alter table channel add column recipients text[];
update channel set recipients = string_to_array(regexp_replace(lower(options->>'recipients'), '\\s', '', 'g'), ',')
  where plugin_id = 'email';
-- For what every certificate that is issued asks: does any subscription hear of that, and how early may one warn?
create index subscription_issued on subscription (id) where 'certificate.issued' = any(events);
create index subscription_scoped on subscription (id) where scope <> 'certificates';

alter table notice
  alter column certificate_id drop not null,
  add column authority_id integer constraint notice_authority references authority,
  add constraint notice_about_one check (num_nonnulls(certificate_id, authority_id) = 1);
create index notice_authority_id on notice (authority_id) where authority_id is not null;
insert into notice (authority_id, event, dedupe_key, data, state, attempts, fault, fault_detail, next_attempt_at, sent_at,
    created_at)
  select authority_id, 'authority.expiring', ${key},
    jsonb_build_object('leadDays', lead_days, 'notAfterMs', (extract(epoch from not_after) * 1000)::bigint),
    case when sent_at is null then 'due' else 'sent' end, attempts,
    case when fault_detail is not null then 'unavailable' end, fault_detail, next_attempt_at, sent_at, created_at
  from authority_notice;
drop table authority_notice;
-- The sweep finds the notices of these jobs in the ledger.
delete from outbox where job = 'authority.warn' and state = 'due';
`;

const down = `
create table authority_notice (
  authority_id integer not null constraint authority_notice_authority references authority,
  lead_days integer not null,
  not_after timestamptz not null,
  attempts integer not null default 0,
  fault_detail text,
  next_attempt_at timestamptz,
  sent_at timestamptz,
  created_at timestamptz not null,
  primary key (authority_id, lead_days, not_after),
  constraint authority_notice_due_or_sent check ((next_attempt_at is null) = (sent_at is not null))
);
create index authority_notice_due on authority_notice (next_attempt_at) where next_attempt_at is not null;
insert into authority_notice (authority_id, lead_days, not_after, attempts, fault_detail, next_attempt_at, sent_at, created_at)
  select authority_id, (data->>'leadDays')::int, to_timestamp((data->>'notAfterMs')::bigint / 1000.0), attempts, fault_detail,
    next_attempt_at, case when next_attempt_at is null then coalesce(sent_at, created_at) end, created_at
  from notice where authority_id is not null and subscription_id is null;
delete from notice where authority_id is not null;
drop index notice_authority_id;
alter table notice drop constraint notice_about_one, drop column authority_id, alter column certificate_id set not null;
drop index subscription_scoped;
drop index subscription_issued;
alter table channel drop column recipients;
`;

/** Lets subscriptions hear of every event, those of authorities too: one ledger holds all notices. */
export class NoticesOfEvents1763700000050 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
