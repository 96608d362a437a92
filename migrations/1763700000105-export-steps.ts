import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table destination add column export_plugin_id text, add column export_options jsonb not null default '{}',
  add column sealed_export_options bytea;
update destination set
  export_plugin_id = case when options ->> 'layout' = 'combined' then 'pem-bundle' else 'pem-files' end,
  export_options = case when options ->> 'layout' = 'combined' then '{"order": "key-first"}'
    else jsonb_build_object('layout', coalesce(options ->> 'layout', 'directory')) end,
  options = options - 'layout'
  where plugin_id = 'filesystem';
comment on column destination.export_plugin_id is 'what makes the files of each delivery; null: it takes no files';

alter table delivery add column files jsonb;
comment on column delivery.files is 'names and digests of the files that were last delivered';
`;

const down = `
alter table delivery drop column files;
update destination set options = options || jsonb_build_object('layout',
  case when export_plugin_id = 'pem-files' then export_options ->> 'layout' else 'combined' end)
  where plugin_id = 'filesystem';
alter table destination drop column export_plugin_id, drop column export_options, drop column sealed_export_options;
`;

/** The files of a delivery are made by an export plugin that the destination names. */
export class ExportSteps1763700000105 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
