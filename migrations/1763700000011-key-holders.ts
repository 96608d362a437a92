import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
  create table key_holder (
    id          uuid primary key,
    process     text not null,
    sealing_key text not null,
    key_ids     text[] not null,
    seen_at     timestamptz not null default now()
  );`;

/**
 * Which key ring each running process works with, so that nothing is sealed with a key that one of them cannot open.
 */
export class KeyHolders1763700000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table key_holder');
  }
}
