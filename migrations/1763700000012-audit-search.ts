import type { MigrationInterface, QueryRunner } from 'typeorm';

// Events come in the order of time, so a block range says enough about "when".
const up = `
create index audit_event_action_index on audit_event (action, id);
create index audit_event_actor_index on audit_event (actor_user_id, id);
create index audit_event_at_index on audit_event using brin (at);
`;

const down = `
drop index audit_event_at_index;
drop index audit_event_actor_index;
drop index audit_event_action_index;
`;

/** Indexes for searching a long audit log. */
export class AuditSearch1763700000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
