import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table destination add column hook_plugin_id text, add column hook_options jsonb not null default '{}',
  add column sealed_hook_options bytea;
comment on column destination.hook_plugin_id is 'the notification plugin that is told after each delivery; null: none';

alter table delivery add column hook text constraint delivery_hook check (hook in ('due', 'done')),
  add column hooked_at timestamptz;
comment on column delivery.hook is 'of a delivered certificate, whether the hook of its destination has run; null: it has none';
`;

const down = `
alter table delivery drop column hooked_at, drop column hook;
alter table destination drop column hook_plugin_id, drop column hook_options, drop column sealed_hook_options;
`;

/** A webhook that is called after each delivery to a destination. */
export class HooksOfDestinations1763700000109 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
