import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Authorities get an id for public URLs, which tells nothing about how many there are. */
export class PublicIds1763700000070 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table authority add column public_id text not null
        default left(replace(gen_random_uuid()::text, '-', ''), 20);
      alter table authority add constraint authority_public_id_form check (public_id ~ '^[0-9a-f]{20}$');
      create unique index authority_public_id on authority (public_id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table authority drop column public_id');
  }
}
