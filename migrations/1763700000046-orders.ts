import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table authority add column order_deadline_days integer
  constraint authority_order_deadline check (order_deadline_days between 1 and 365);

create table certificate_order (
  id integer generated always as identity primary key,
  certificate_id integer not null constraint certificate_order_certificate references certificate on delete cascade,
  secret_id uuid not null,
  sealed_state bytea,
  asked_at timestamptz,
  deadline_at timestamptz not null,
  progress text,
  disputed_at timestamptz,
  disputed_chain_pem text,
  disputed_serial_hex text,
  disputed_external_id text,
  constraint certificate_order_dispute check ((disputed_at is null) = (disputed_chain_pem is null))
);
create unique index certificate_order_certificate_id on certificate_order (certificate_id);
-- Whether an issuer was asked already is not known of older requests: it is taken to be so.
insert into certificate_order (certificate_id, secret_id, asked_at, deadline_at)
  select id, gen_random_uuid(), created_at, greatest(created_at + interval '14 days', now() + interval '2 days')
  from certificate where state in ('requested', 'pending');

create table withdrawal (
  id integer generated always as identity primary key,
  certificate_id integer not null constraint withdrawal_certificate references certificate on delete cascade,
  authority_id integer not null constraint withdrawal_authority references authority,
  kind text not null constraint withdrawal_kind check (kind in ('cancel', 'revoke')),
  chain_pem text,
  serial_hex text,
  external_id text,
  reason integer,
  comments text,
  state text not null constraint withdrawal_state check (state in ('due', 'done', 'given-up')),
  give_up_at timestamptz not null,
  attempts integer not null default 0,
  fault text,
  fault_detail text,
  next_attempt_at timestamptz,
  created_at timestamptz not null,
  done_at timestamptz,
  constraint withdrawal_due_has_attempt check ((state = 'due') = (next_attempt_at is not null)),
  constraint withdrawal_revoke_has_chain check (kind <> 'revoke' or (chain_pem is not null and reason is not null))
);
create index withdrawal_certificate_id on withdrawal (certificate_id);
create index withdrawal_due on withdrawal (next_attempt_at) where next_attempt_at is not null;
`;

const down = `
drop table withdrawal;
drop table certificate_order;
alter table authority drop column order_deadline_days;
`;

/**
 * An order has a deadline, the state that its issuer keeps, and an answer that is in dispute; what a CA is to cancel or
 * to revoke waits in rows until the CA has confirmed it.
 */
export class Orders1763700000046 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
