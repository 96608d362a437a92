import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether a certificate is on hold follows from what its CA was last told of its serial number. */
export class Held1763700000057 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create index withdrawal_of_serial on withdrawal (authority_id, serial_hex, id) where kind = 'revoke';
      create index withdrawal_holds on withdrawal (id) where kind = 'revoke' and reason = 6;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index withdrawal_holds; drop index withdrawal_of_serial');
  }
}
