import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table rotation_policy
  add column spread_hours double precision constraint rotation_policy_spread_range
    check (spread_hours between 0 and 720),
  add column emergency_fraction double precision constraint rotation_policy_emergency_range
    check (emergency_fraction > 0 and emergency_fraction <= 0.2),
  add column maintenance jsonb;
comment on column rotation_policy.spread_hours is 'null: a fiftieth of the lifetime, at most a day';
comment on column rotation_policy.emergency_fraction is 'null: 0.02';
comment on column rotation_policy.maintenance is 'time zone and windows in which renewals may begin; null: at any time';
`;

const down = `
alter table rotation_policy drop column spread_hours, drop column emergency_fraction, drop column maintenance;
`;

/** Renewals wait for maintenance windows and are spread over time. */
export class MaintenanceWindows1763700000101 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
