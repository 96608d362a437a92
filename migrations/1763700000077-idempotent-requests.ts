import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table idempotent_request (
  id integer generated always as identity primary key,
  secret_id uuid not null,
  user_id integer not null references app_user on delete cascade,
  key text not null constraint idempotent_request_key_length check (char_length(key) between 1 and 255),
  sealed_request bytea not null,
  status integer,
  sealed_answer bytea,
  created_at timestamptz not null,
  constraint idempotent_request_answer check (sealed_answer is null or status is not null)
);
create unique index idempotent_request_of_user on idempotent_request (user_id, key);
create index idempotent_request_age on idempotent_request (created_at);
`;

/** Requests with an Idempotency-Key: what was asked, and what was answered. */
export class IdempotentRequests1763700000077 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table idempotent_request');
  }
}
