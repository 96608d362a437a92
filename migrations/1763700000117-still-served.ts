import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table still_served (
  endpoint_id integer not null constraint still_served_endpoint references endpoint on delete cascade,
  certificate_id integer not null constraint still_served_certificate references certificate on delete cascade,
  reason text not null constraint still_served_reason check (reason in ('revoked', 'superseded', 'expiring')),
  told_at timestamptz not null,
  primary key (endpoint_id, certificate_id, reason)
);
create index still_served_certificate_id on still_served (certificate_id);
`;

const down = `
drop table still_served;
delete from notice where event in ('certificate.still-served', 'certificate.unexpected');
delete from acknowledgement where event = 'certificate.still-served';
-- Last: a changed row has a deferred trigger, and its table cannot be altered before that has run.
update subscription set events = array_remove(array_remove(events, 'certificate.still-served'), 'certificate.unexpected')
  where events && array['certificate.still-served', 'certificate.unexpected'];
`;

/** What people were told of certificates that endpoints serve and should not. */
export class StillServed1763700000117 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
