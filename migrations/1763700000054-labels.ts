import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
alter table certificate add column labels text[] not null default '{}';
create index certificate_labels on certificate using gin (labels) where labels <> '{}';

alter table subscription
  add column certificate_label text,
  drop constraint subscription_scope,
  drop constraint subscription_scope_names,
  add constraint subscription_scope check (scope in ('certificates', 'owner', 'authority', 'label', 'all')),
  add constraint subscription_scope_names check ((scope = 'owner') = (owner is not null)
    and (scope = 'authority') = (authority_id is not null) and (scope = 'label') = (certificate_label is not null));
create index subscription_certificate_label on subscription (certificate_label) where scope = 'label';
`;

const down = `
delete from subscription where scope = 'label';
alter table subscription
  drop constraint subscription_scope,
  drop constraint subscription_scope_names,
  drop column certificate_label,
  add constraint subscription_scope check (scope in ('certificates', 'owner', 'authority', 'all')),
  add constraint subscription_scope_names
    check ((scope = 'owner') = (owner is not null) and (scope = 'authority') = (authority_id is not null));
alter table certificate drop column labels;
`;

/** Labels of certificates, and subscriptions to all certificates with a label. */
export class Labels1763700000054 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
