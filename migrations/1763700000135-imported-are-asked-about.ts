import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * CAs that are elsewhere are asked when to renew what was imported or adopted, too: over a day, so that they are not
 * asked about all at once. Undoing it is not needed: an earlier program asks about them as well.
 */
export class ImportedAreAskedAbout1763700000135 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `insert into renewal_info (certificate_id, ask_at)
       select c.id, now() + random() * interval '1 day' from certificate c
       join authority a on a.id = c.authority_id and a.key_id is null
       where c.state = 'issued' and c.deleted_at is null and c.not_after > now()
       on conflict do nothing`,
    );
  }

  async down(): Promise<void> {}
}
