import type { MigrationInterface, QueryRunner } from 'typeorm';

const functions = ['claim_keys(text[], text[], timestamptz)', 'link_names(integer[], text[])'];
const alter = (change: string): string => functions.map((name) => `alter function ${name} ${change};`).join('\n');

/**
 * Lets the functions that store certificates plan their queries once for each connection. For arrays with one member,
 * PostgreSQL expects a plan for just these values to be cheaper, and made one on every call: a quarter of the time that
 * it takes to store one certificate.
 */
export class OnePlanForAllValues1763700000098 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(alter('set plan_cache_mode = force_generic_plan'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(alter('reset plan_cache_mode'));
  }
}
