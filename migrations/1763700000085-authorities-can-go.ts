import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is of no use without its authority; everything else that refers to one keeps it from being deleted. */
const own = {
  authority_issuer: 'authority_issuer_authority',
  notice: 'notice_authority',
};

const referring = (onDelete: string): string =>
  Object.entries(own)
    .map(
      ([table, name]) => `
alter table ${table} drop constraint ${name};
alter table ${table} add constraint ${name} foreign key (authority_id) references authority ${onDelete};`,
    )
    .join('');

/** An authority on which nothing depends can be deleted. */
export class AuthoritiesCanGo1763700000085 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(referring('on delete cascade'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(referring(''));
  }
}
