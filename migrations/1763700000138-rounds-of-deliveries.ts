import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tells a certificate that is delivered again, for example by a roll-back, from one more attempt to deliver it. */
export class RoundsOfDeliveries1763700000138 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table delivery add column round integer not null default 1');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table delivery drop column round');
  }
}
