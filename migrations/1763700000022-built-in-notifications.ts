import type { MigrationInterface, QueryRunner } from 'typeorm';

// Rows without a maker were the program's own. What a person made under such a label stays theirs, beside the one that
// the program makes anew.
const up = `
alter table notification add column built_in boolean not null default false;
update notification set built_in = true where creator_id is null and plugin_id = 'email' and label ~* '^default_.*_[0-9]+_day$';
drop index notification_label;
create unique index notification_label on notification (lower(label)) where not built_in;
create unique index notification_built_in_label on notification (lower(label)) where built_in;
`;

// Under one label only one can stay; certificates that the other warned about are warned by it.
const down = `
insert into certificate_notification (certificate_id, notification_id)
  select l.certificate_id, own.id from certificate_notification l join notification other on other.id = l.notification_id and not other.built_in
  join notification own on own.built_in and lower(own.label) = lower(other.label) on conflict do nothing;
delete from notification other using notification own where own.built_in and not other.built_in and lower(own.label) = lower(other.label);
drop index notification_built_in_label;
drop index notification_label;
create unique index notification_label on notification (lower(label));
alter table notification drop column built_in;
`;

/** Tells the default notifications of the program from what people make under the same labels. */
export class BuiltInNotifications1763700000022 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
