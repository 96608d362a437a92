import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create table acknowledgement (
  id integer generated always as identity primary key,
  certificate_id integer not null constraint acknowledgement_certificate references certificate on delete cascade,
  event text not null,
  until timestamptz not null,
  reason text not null,
  creator_id integer constraint acknowledgement_creator references app_user,
  created_at timestamptz not null
);
create unique index acknowledgement_of on acknowledgement (certificate_id, event);

alter table notice
  add column hold text,
  add constraint notice_hold check (hold in ('acknowledged'));
`;

const down = `
alter table notice drop column hold;
drop table acknowledgement;
`;

/** People acknowledge what a certificate is warned of; its notices wait until then. */
export class Acknowledgements1763700000110 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
