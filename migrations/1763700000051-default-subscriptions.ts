import type { MigrationInterface, QueryRunner } from 'typeorm';

const defaults = `
create temporary table certificate_default on commit drop as
  select c.id as certificate_id, d.id as subscription_id from certificate c
    join subscription d on d.built_in and d.scope = 'owner' and d.owner = lower(c.owner)
  union all select c.id, d.id from certificate c cross join subscription d where d.built_in and d.scope = 'all';
analyze certificate_default;
`;
const listed = 'select certificate_id, subscription_id from certificate_subscription';

// A certificate from which somebody has taken one of its default subscriptions keeps the others as listed ones.
const up = `
update subscription set scope = 'all' where built_in and label ~* '^DEFAULT_SECURITY_[0-9]+_DAY$';
update subscription set scope = 'owner', owner = lower(substring(label from '(?i)^DEFAULT_(.+)_[0-9]+_DAY$'))
  where built_in and label ~* '^DEFAULT_.+@.+_[0-9]+_DAY$';

alter table certificate add column hears_defaults boolean not null default true;
${defaults}
update certificate set hears_defaults = false where id in (
  select certificate_id from (table certificate_default except ${listed}) as missing
  union (select certificate_id from certificate_subscription
    except select certificate_id from (table certificate_default intersect ${listed}) as present));
delete from certificate_subscription l using certificate_default d, certificate c
  where l.certificate_id = d.certificate_id and l.subscription_id = d.subscription_id
    and c.id = d.certificate_id and c.hears_defaults;
drop table certificate_default;

drop index subscription_scoped;
create index subscription_scoped on subscription (id) where scope <> 'certificates' and not built_in;
`;

const down = `
drop index subscription_scoped;
create index subscription_scoped on subscription (id) where scope <> 'certificates';

${defaults}
insert into certificate_subscription (certificate_id, subscription_id)
  select d.certificate_id, d.subscription_id from certificate_default d join certificate c on c.id = d.certificate_id
  where c.hears_defaults on conflict do nothing;
drop table certificate_default;
alter table certificate drop column hears_defaults;
update subscription set scope = 'certificates', owner = null where built_in;
`;

/** Default subscriptions follow from the owner of a certificate, instead of being listed with each certificate. */
export class DefaultSubscriptions1763700000051 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
