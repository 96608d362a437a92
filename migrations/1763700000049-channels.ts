import type { MigrationInterface, QueryRunner } from 'typeorm';

const seconds = `case coalesce(options->>'unit', 'days')
  when 'minutes' then 60 when 'hours' then 3600 when 'weeks' then 604800 when 'months' then 2592000 else 86400 end`;

// Subscriptions keep the ids of the notifications, which the ledger of notices names in its keys.
// No notification plugin had secrets so far, so sealed_options is empty and need not be sealed anew for its new table.
const up = `
create table channel (
  id integer generated always as identity primary key,
  label text not null constraint channel_label_length check (length(label) between 1 and 256),
  description text,
  active boolean not null default true,
  plugin_id text not null,
  options jsonb not null default '{}',
  sealed_options bytea,
  secret_id uuid not null,
  origin text not null constraint channel_origin check (origin in ('person', 'notification', 'program')),
  creator_id integer constraint channel_creator references app_user,
  created_at timestamptz not null default now(),
  first_notification_id integer
);
create unique index channel_label on channel (lower(label)) where origin = 'person';

alter table notification rename to subscription;
alter sequence notification_id_seq rename to subscription_id_seq;
alter index notification_pkey rename to subscription_pkey;
alter index notification_label rename to subscription_label;
alter index notification_built_in_label rename to subscription_built_in_label;
alter table subscription rename constraint notification_label_length to subscription_label_length;
alter table subscription rename constraint notification_creator to subscription_creator;
alter table subscription
  add column channel_id integer constraint subscription_channel references channel,
  add column events text[] not null default '{certificate.expiring}',
  add column leads_s integer[] not null default '{}',
  add column lead_unit text not null default 'days'
    constraint subscription_lead_unit check (lead_unit in ('minutes', 'hours', 'days', 'weeks', 'months')),
  add column scope text not null default 'certificates'
    constraint subscription_scope check (scope in ('certificates', 'owner', 'authority', 'all')),
  add column owner text,
  add column authority_id integer constraint subscription_authority references authority;

-- The program's own notifications of one owner share a channel; each of the others has its own.
insert into channel (label, description, plugin_id, options, sealed_options, secret_id, origin, creator_id, created_at,
    first_notification_id)
  select distinct on (s.built_in, case when s.built_in then regexp_replace(upper(label), '_[0-9]+_DAY$', '') end, way)
    case when s.built_in then regexp_replace(label, '_[0-9]+_DAY$', '', 'i') else label end,
    case when s.built_in then null else description end, plugin_id, options - 'interval' - 'unit', sealed_options,
    secret_id, case when s.built_in then 'program' else 'notification' end, creator_id, created_at, id
  from (select *, case when built_in then md5((options - 'interval' - 'unit')::text) else id::text end as way
    from subscription) s
  order by s.built_in, case when s.built_in then regexp_replace(upper(label), '_[0-9]+_DAY$', '') end, way, id;
update channel set origin = 'notification' where origin = 'program' and exists (
  select from channel o where o.origin = 'program' and lower(o.label) = lower(channel.label) and o.id < channel.id);
update subscription s set channel_id = c.id from channel c
  where case when s.built_in
    then c.creator_id is null and lower(c.label) = lower(regexp_replace(s.label, '_[0-9]+_DAY$', '', 'i'))
      and c.options = s.options - 'interval' - 'unit'
    else c.first_notification_id = s.id end;
update subscription set leads_s = array[lead_s], lead_unit = case
  when options->>'unit' in ('minutes', 'hours', 'days', 'weeks', 'months') and lead_s % (${seconds}) = 0 then options->>'unit'
  when lead_s % 86400 = 0 then 'days' else 'minutes' end;

alter table channel drop column first_notification_id;
create unique index channel_program_label on channel (lower(label)) where origin = 'program';
alter table subscription
  alter column channel_id set not null,
  alter column events drop default,
  alter column leads_s drop default,
  alter column lead_unit drop default,
  alter column scope drop default,
  drop column lead_s, drop column plugin_id, drop column options, drop column sealed_options, drop column secret_id,
  add constraint subscription_leads_positive check (0 < all(leads_s)),
  add constraint subscription_expiry_has_lead
    check (('certificate.expiring' = any(events)) = (cardinality(leads_s) > 0)),
  add constraint subscription_scope_names
    check ((scope = 'owner') = (owner is not null) and (scope = 'authority') = (authority_id is not null));
create index subscription_channel_id on subscription (channel_id);
create index subscription_owner on subscription (owner) where scope = 'owner';
create index subscription_authority_id on subscription (authority_id) where scope = 'authority';
create index subscription_all on subscription (id) where scope = 'all';

alter table certificate_notification rename to certificate_subscription;
alter table certificate_subscription rename column notification_id to subscription_id;
alter table certificate_subscription rename constraint certificate_notification_certificate to certificate_subscription_certificate;
alter table certificate_subscription rename constraint certificate_notification_notification to certificate_subscription_subscription;
alter index certificate_notification_pkey rename to certificate_subscription_pkey;
alter index certificate_notification_notification_id rename to certificate_subscription_subscription_id;

alter table notice rename column notification_id to subscription_id;
alter table notice rename constraint notice_notification to notice_subscription;
alter index notice_notification_id rename to notice_subscription_id;

update outbox set job = 'subscription.replan',
  data = jsonb_build_object('subscriptionId', data->'notificationId', 'after', data->'after')
  where job = 'notification.replan';
`;

// What hears of other events than the end of a certificate, or of others than listed certificates, is lost.
const down = `
update outbox set job = 'notification.replan',
  data = jsonb_build_object('notificationId', data->'subscriptionId', 'after', data->'after')
  where job = 'subscription.replan';

alter index notice_subscription_id rename to notice_notification_id;
alter table notice rename constraint notice_subscription to notice_notification;
alter table notice rename column subscription_id to notification_id;

alter index certificate_subscription_subscription_id rename to certificate_notification_notification_id;
alter index certificate_subscription_pkey rename to certificate_notification_pkey;
alter table certificate_subscription rename constraint certificate_subscription_subscription to certificate_notification_notification;
alter table certificate_subscription rename constraint certificate_subscription_certificate to certificate_notification_certificate;
alter table certificate_subscription rename column subscription_id to notification_id;
alter table certificate_subscription rename to certificate_notification;

delete from subscription where cardinality(leads_s) = 0 or scope <> 'certificates';
alter table subscription
  add column plugin_id text, add column options jsonb not null default '{}', add column sealed_options bytea,
  add column secret_id uuid, add column lead_s integer constraint notification_lead_positive check (lead_s > 0);
update subscription s set plugin_id = c.plugin_id, secret_id = c.secret_id, sealed_options = c.sealed_options,
  lead_s = s.leads_s[1], active = s.active and c.active, options = c.options || jsonb_build_object('unit', s.lead_unit,
    'interval', s.leads_s[1] / case s.lead_unit when 'minutes' then 60 when 'hours' then 3600 when 'weeks' then 604800
      when 'months' then 2592000 else 86400 end)
  from channel c where c.id = s.channel_id;
alter table subscription
  alter column plugin_id set not null, alter column secret_id set not null, alter column lead_s set not null,
  drop column channel_id, drop column events, drop column leads_s, drop column lead_unit, drop column scope,
  drop column owner, drop column authority_id;
alter table subscription rename constraint subscription_creator to notification_creator;
alter table subscription rename constraint subscription_label_length to notification_label_length;
alter index subscription_built_in_label rename to notification_built_in_label;
alter index subscription_label rename to notification_label;
alter index subscription_pkey rename to notification_pkey;
alter sequence subscription_id_seq rename to notification_id_seq;
alter table subscription rename to notification;
drop table channel;
`;

/** Splits notifications into channels, which say how a message goes out, and subscriptions, which say what of. */
export class Channels1763700000049 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(down);
  }
}
