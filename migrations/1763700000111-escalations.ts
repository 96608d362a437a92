import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table subscription
  add column escalate_after_days integer
    constraint subscription_escalate_after check (escalate_after_days between 1 and 365),
  add column escalate_channel_id integer constraint subscription_escalate_channel references channel,
  add constraint subscription_escalation check ((escalate_after_days is null) = (escalate_channel_id is null));
create index subscription_escalate_channel_id on subscription (escalate_channel_id)
  where escalate_channel_id is not null;

alter table notice
  add column escalate_at timestamptz,
  add column escalates_id integer constraint notice_escalates references notice on delete cascade;
create index notice_escalation_due on notice (escalate_at) where escalate_at is not null;
create index notice_escalates_id on notice (escalates_id) where escalates_id is not null;
`;

const down = `
delete from notice where escalates_id is not null;
alter table notice drop column escalates_id, drop column escalate_at;
alter table subscription
  drop constraint subscription_escalation,
  drop column escalate_channel_id,
  drop column escalate_after_days;
`;

/** A notice after which nobody acts is told to another channel. */
export class Escalations1763700000111 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
