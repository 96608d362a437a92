import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A notice remembers since when it is refused: it is given up after days of that. */
export class RefusedNotices1763700000140 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table notice add column refused_since timestamptz');
    await runner.query('create index notice_refused on notice (refused_since) where refused_since is not null');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table notice drop column refused_since');
  }
}
