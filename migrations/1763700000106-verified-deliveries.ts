import type { MigrationInterface, QueryRunner } from 'typeorm';

// What was delivered before is checked within a day, a few at a time.
const up = `
alter table destination add column verify_at text[] not null default '{}', add column verify_name text,
  add column repush boolean not null default false;
comment on column destination.verify_at is 'host:port of servers that serve what is delivered';

alter table delivery add column verification text constraint delivery_verification
    check (verification in ('pending', 'verified', 'differs', 'not-verifiable')),
  add column verification_detail text, add column verified_at timestamptz, add column checked_at timestamptz;
comment on column delivery.next_attempt_at is 'when delivered: the next check';

alter table delivery drop constraint delivery_state;
alter table delivery add constraint delivery_state check (state in ('planned', 'delivered', 'failing', 'leaving',
  'removing', 'removed', 'replaced', 'stopped', 'left', 'rolled-back'));
alter table delivery drop constraint delivery_open_has_attempt;
alter table delivery add constraint delivery_open_has_attempt check (next_attempt_at is not null
  or state not in ('planned', 'failing', 'leaving', 'removing', 'rolled-back'));
update delivery set next_attempt_at = now() + random() * interval '1 day' where state = 'delivered';
`;

const down = `
update delivery set next_attempt_at = null where state = 'delivered';
update delivery set state = 'failing' where state = 'rolled-back';
alter table delivery drop constraint delivery_open_has_attempt;
alter table delivery add constraint delivery_open_has_attempt
  check (state not in ('planned', 'failing', 'leaving', 'removing') or next_attempt_at is not null);
alter table delivery drop constraint delivery_state;
alter table delivery add constraint delivery_state
  check (state in ('planned', 'delivered', 'failing', 'leaving', 'removing', 'removed', 'replaced', 'stopped', 'left'));
comment on column delivery.next_attempt_at is null;
alter table delivery drop column verification, drop column verification_detail, drop column verified_at,
  drop column checked_at;
alter table destination drop column verify_at, drop column verify_name, drop column repush;
`;

/** Whether a delivered certificate is in use: checked after the delivery, and from time to time. */
export class VerifiedDeliveries1763700000106 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
