import type { MigrationInterface, QueryRunner } from 'typeorm';

const functions = ['claim_keys(text[], text[], timestamptz)', 'link_names(integer[], text[])'];
/** A connection plans once: while a table is small it would choose to read all of it, and go on so when it has grown. */
const off = ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'];
const alter = (change: (setting: string) => string): string =>
  functions.map((name) => `alter function ${name} ${off.map(change).join(' ')};`).join('\n');

/** Lets the functions that store certificates find rows by indexes, however small a table was when they were planned. */
export class PlansOfFunctions1763700000062 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(alter((setting) => `set ${setting} = off`));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(alter((setting) => `reset ${setting}`));
  }
}
