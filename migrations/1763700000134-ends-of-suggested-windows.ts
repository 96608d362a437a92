import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table renewal_info add column last_at timestamptz;
comment on column renewal_info.last_at is
  'from then on nothing holds the renewal; null: the end of the window is no deadline';
-- Those that end so early that the CA must have a reason.
update renewal_info i set last_at = greatest(i.suggested_at,
    i.window_end - least((i.window_end - i.window_start) / 10, interval '6 hours') * (1 - random() / 2))
  from certificate c where c.id = i.certificate_id and i.window_end < c.not_before + (c.not_after - c.not_before) / 2;
`;

/** From when on nothing holds a renewal, because the window that the CA suggests ends. */
export class EndsOfSuggestedWindows1763700000134 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table renewal_info drop column last_at');
  }
}
