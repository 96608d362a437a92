import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What another system had delivered was never checked: its first check is due within a day, a few at a time. The next
 * one follows from the settings.
 */
export class ChecksOfTakenOverDeliveries1763700000137 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`update delivery d set next_attempt_at = now() + random() * interval '1 day' from certificate c
      where c.id = d.certificate_id and d.state = 'delivered' and d.verification is null and d.next_attempt_at is null
        and c.state = 'issued' and c.deleted_at is null and c.not_after > now()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`update delivery set next_attempt_at = null where state = 'delivered' and verification is null`);
  }
}
