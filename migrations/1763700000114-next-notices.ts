import type { MigrationInterface, QueryRunner } from 'typeorm';

// Without a foreign key: its check would cost every certificate that is issued a query and a lock.
const up = `
create table next_notice (
  certificate_id integer primary key,
  at timestamptz not null
);
comment on table next_notice is 'when the next warning of a certificate is due, if one is';
insert into next_notice (certificate_id, at)
  select id, next_notice_at from certificate where next_notice_at is not null order by id;
create index next_notice_at on next_notice (at);
alter table certificate drop column next_notice_at;
`;

const down = `
alter table certificate add column next_notice_at timestamptz;
update certificate c set next_notice_at = n.at from next_notice n where n.certificate_id = c.id;
create index certificate_notice_due on certificate (next_notice_at) where next_notice_at is not null;
drop table next_notice;
`;

/**
 * The next warning of each certificate in a table of its own. A row of `certificate` is wide and has many indexes: to
 * write it after each warning took most of the time of the warnings.
 */
export class NextNotices1763700000114 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
