import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table channel add column layout jsonb;
alter table subscription add column next_summary_at timestamptz;
create index subscription_summary_due on subscription (next_summary_at) where next_summary_at is not null;
alter table notice
  drop constraint notice_about_one,
  add constraint notice_about_one
    check (num_nonnulls(certificate_id, authority_id) = case when event = 'summary.weekly' then 0 else 1 end);
`;

const down = `
delete from notice where event = 'summary.weekly';
alter table notice
  drop constraint notice_about_one,
  add constraint notice_about_one check (num_nonnulls(certificate_id, authority_id) = 1);
alter table channel drop column layout;
alter table subscription drop column next_summary_at;
-- Last: a changed row has a deferred trigger, and its table cannot be altered before that has run.
update subscription set events = array_remove(events, 'summary.weekly') where 'summary.weekly' = any(events);
`;

/** A channel has its own look, and a subscription a weekly summary. */
export class LayoutsAndSummaries1763700000113 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
