import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate_order
  add column awaits_approval boolean not null default false,
  add column refusals integer not null default 0,
  add column refused_since timestamptz,
  add constraint certificate_order_refused check ((refusals = 0) = (refused_since is null));
create index certificate_order_disputed on certificate_order (certificate_id) where disputed_at is not null;
alter table withdrawal
  drop constraint withdrawal_kind,
  add constraint withdrawal_kind check (kind in ('cancel', 'close', 'revoke'));
`;

const down = `
update withdrawal set kind = 'cancel' where kind = 'close';
alter table withdrawal
  drop constraint withdrawal_kind,
  add constraint withdrawal_kind check (kind in ('cancel', 'revoke'));
drop index certificate_order_disputed;
alter table certificate_order
  drop constraint certificate_order_refused,
  drop column refused_since,
  drop column refusals,
  drop column awaits_approval;
`;

/**
 * An order knows whether a person at the CA must approve it, and how often the CA refused to say how far it is. An order
 * whose certificate was uploaded is followed until the CA has closed it.
 */
export class DoubtsAboutOrders1763700000055 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
