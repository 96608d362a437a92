import type { MigrationInterface, QueryRunner } from 'typeorm';

const changes = [
  ['app_user', 'update of username, email, active, token_epoch or delete'],
  ['role', 'update of name, description, permissions or delete'],
  ['user_role', 'insert or update or delete'],
  ['api_key', 'update of user_id, name, ttl_days, issued_at, scopes, revoked or delete'],
  ['rotation_policy', 'update or delete'],
  ['channel', 'update or delete'],
  ['subscription', 'update or delete'],
] as const;

/*
 * Triggers that wait for the end of the transaction: it holds the one row only while it commits. A migration that writes
 * to one of these tables and then alters it in the same transaction needs `set constraints all immediate` in between.
 */
const up = `
create table kept_facts (
  id integer primary key default 1 constraint kept_facts_one_row check (id = 1),
  version bigint not null
);
insert into kept_facts (version) values (1);

-- Once for each transaction.
create function raise_kept_facts() returns trigger language plpgsql as $$
begin
  if current_setting('perennial.kept_facts', true) is distinct from 'raised' then
    update kept_facts set version = version + 1;
    perform set_config('perennial.kept_facts', 'raised', true);
  end if;
  return null;
end $$;

${changes
  .map(
    ([table, events]) => `create constraint trigger ${table}_kept_facts after ${events} on ${table}
  deferrable initially deferred for each row execute function raise_kept_facts();`,
  )
  .join('\n')}
-- Nobody keeps what does not exist; but a new subscription can hear of every certificate.
create constraint trigger subscription_new_kept_facts after insert on subscription
  deferrable initially deferred for each row when (not new.built_in) execute function raise_kept_facts();
`;

const down = `
drop trigger subscription_new_kept_facts on subscription;
${changes.map(([table]) => `drop trigger ${table}_kept_facts on ${table};`).join('\n')}
drop function raise_kept_facts();
drop table kept_facts;
`;

/** A version of what processes keep of accounts, roles, API keys, rotation policies and subscriptions. */
export class KeptFacts1763700000061 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
