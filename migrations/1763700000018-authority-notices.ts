import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
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
`;

/** The ledger of what has been said about the ends of authorities. */
export class AuthorityNotices1763700000018 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table authority_notice');
  }
}
