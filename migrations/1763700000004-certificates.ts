import type { MigrationInterface, QueryRunner } from 'typeorm';

const up = `
create extension if not exists pg_trgm;

create table rotation_policy (
  id integer generated always as identity primary key,
  name text not null constraint rotation_policy_name_length check (length(name) between 1 and 128),
  description text,
  days integer constraint rotation_policy_days_range check (days between 0 and 3650),
  lifetime_fraction double precision constraint rotation_policy_fraction_range check (lifetime_fraction > 0 and lifetime_fraction < 1),
  created_at timestamptz not null default now(),
  constraint rotation_policy_says_when check (days is not null or lifetime_fraction is not null)
);
create unique index rotation_policy_name on rotation_policy (lower(name));

create table authority (
  id integer generated always as identity primary key,
  name text not null constraint authority_name_length check (length(name) between 1 and 128),
  owner text not null,
  description text,
  active boolean not null default true,
  plugin_id text not null,
  options jsonb not null default '{}',
  sealed_options bytea,
  secret_id uuid not null,
  parent_id integer constraint authority_parent references authority,
  certificate_pem text not null,
  chain_pem text[] not null,
  common_name text not null,
  serial_hex text not null,
  not_before timestamptz not null,
  not_after timestamptz not null,
  key_type text not null,
  bits integer not null,
  signing_algorithm text not null,
  path_length integer,
  sealed_key bytea,
  max_validity_days integer constraint authority_max_validity check (max_validity_days > 0),
  default_validity_days integer constraint authority_default_validity check (default_validity_days > 0),
  creator_id integer constraint authority_creator references app_user,
  version integer not null default 1,
  created_at timestamptz not null default now()
);
create unique index authority_name on authority (lower(name));
create index authority_parent_id on authority (parent_id);

create table authority_role (
  authority_id integer not null constraint authority_role_authority references authority on delete cascade,
  role_id integer not null constraint authority_role_role references role on delete cascade,
  primary key (authority_id, role_id)
);
create index authority_role_role_id on authority_role (role_id);

create table destination (
  id integer generated always as identity primary key,
  label text not null constraint destination_label_length check (length(label) between 1 and 128),
  description text,
  plugin_id text not null,
  options jsonb not null default '{}',
  sealed_options bytea,
  secret_id uuid not null,
  created_at timestamptz not null default now()
);
create unique index destination_label on destination (lower(label));

create table notification (
  id integer generated always as identity primary key,
  label text not null constraint notification_label_length check (length(label) between 1 and 256),
  description text,
  active boolean not null default true,
  plugin_id text not null,
  options jsonb not null default '{}',
  sealed_options bytea,
  secret_id uuid not null,
  lead_s integer not null constraint notification_lead_positive check (lead_s > 0),
  creator_id integer constraint notification_creator references app_user,
  created_at timestamptz not null default now()
);
create unique index notification_label on notification (lower(label));

create table domain (
  id integer generated always as identity primary key,
  name text not null,
  sensitive boolean not null default false
);
create unique index domain_name on domain (name);
create index domain_name_trigrams on domain using gin (name gin_trgm_ops);

create table certificate (
  id integer generated always as identity primary key,
  state text not null constraint certificate_state
    check (state in ('requested', 'pending', 'issued', 'superseded', 'revoked', 'failed', 'cancelled')),
  name text not null,
  owner text not null,
  description text,
  creator_id integer constraint certificate_creator references app_user,
  authority_id integer constraint certificate_authority references authority,
  common_name text not null,
  distinguished_name text not null,
  body_pem text,
  chain_pem text,
  csr_pem text,
  secret_id uuid not null,
  sealed_key bytea,
  issuer text not null,
  issuer_sha256 text,
  serial_hex text,
  sha256 text,
  spki_sha256 text not null,
  key_type text not null,
  bits integer not null,
  signing_algorithm text,
  not_before timestamptz not null,
  not_after timestamptz not null,
  san_count integer not null,
  terms jsonb not null,
  notify boolean not null default true,
  rotation boolean not null default false,
  rotation_policy_id integer not null constraint certificate_rotation_policy references rotation_policy,
  renews_id integer constraint certificate_renews references certificate,
  request_key text,
  request_sha256 text,
  external_id text,
  order_ref text,
  attempts integer not null default 0,
  fault text,
  fault_detail text,
  next_attempt_at timestamptz,
  renewal_reason text,
  renewal_attempts integer not null default 0,
  renewal_fault text,
  renewal_detail text,
  next_renewal_at timestamptz,
  next_notice_at timestamptz,
  revoked_at timestamptz,
  revocation_reason integer,
  revocation_comments text,
  superseded_at timestamptz,
  created_at timestamptz not null,
  constraint certificate_issued_has_body check (state not in ('issued', 'superseded', 'revoked')
    or (body_pem is not null and serial_hex is not null and issuer_sha256 is not null and sha256 is not null)),
  constraint certificate_unfinished_has_attempt check (state not in ('requested', 'pending') or next_attempt_at is not null)
);
create unique index certificate_name on certificate (name);
create unique index certificate_serial on certificate (issuer_sha256, serial_hex) where serial_hex is not null;
create unique index certificate_request on certificate (creator_id, request_key) where request_key is not null;
create unique index certificate_one_renewal on certificate (renews_id) where renews_id is not null and state not in ('failed', 'cancelled', 'revoked');
create index certificate_not_after on certificate (not_after, id);
create index certificate_owner on certificate (lower(owner), id);
create index certificate_authority_id on certificate (authority_id, id);
create index certificate_common_name on certificate (lower(common_name));
create index certificate_name_trigrams on certificate using gin (lower(name) gin_trgm_ops);
create index certificate_policy on certificate (rotation_policy_id) where state = 'issued';
create index certificate_attempt_due on certificate (next_attempt_at) where next_attempt_at is not null;
create index certificate_renewal_due on certificate (next_renewal_at) where next_renewal_at is not null;
create index certificate_notice_due on certificate (next_notice_at) where next_notice_at is not null;

create table certificate_domain (
  certificate_id integer not null constraint certificate_domain_certificate references certificate on delete cascade,
  domain_id integer not null constraint certificate_domain_domain references domain,
  primary key (certificate_id, domain_id)
);
create index certificate_domain_domain_id on certificate_domain (domain_id, certificate_id);

create table certificate_role (
  certificate_id integer not null constraint certificate_role_certificate references certificate on delete cascade,
  role_id integer not null constraint certificate_role_role references role on delete cascade,
  primary key (certificate_id, role_id)
);
create index certificate_role_role_id on certificate_role (role_id, certificate_id);

create table certificate_notification (
  certificate_id integer not null constraint certificate_notification_certificate references certificate on delete cascade,
  notification_id integer not null constraint certificate_notification_notification references notification on delete cascade,
  primary key (certificate_id, notification_id)
);
create index certificate_notification_notification_id on certificate_notification (notification_id, certificate_id);

create table certificate_replacement (
  certificate_id integer not null constraint certificate_replacement_certificate references certificate on delete cascade,
  replaced_id integer not null constraint certificate_replacement_replaced references certificate on delete cascade,
  primary key (certificate_id, replaced_id),
  constraint certificate_replacement_not_itself check (certificate_id <> replaced_id)
);
create index certificate_replacement_replaced_id on certificate_replacement (replaced_id, certificate_id);

create table delivery (
  id integer generated always as identity primary key,
  certificate_id integer not null constraint delivery_certificate references certificate on delete cascade,
  destination_id integer not null constraint delivery_destination references destination,
  state text not null constraint delivery_state
    check (state in ('planned', 'delivered', 'failing', 'removing', 'removed', 'replaced', 'stopped')),
  location text,
  attempts integer not null default 0,
  fault text,
  fault_detail text,
  next_attempt_at timestamptz,
  last_attempt_at timestamptz,
  delivered_at timestamptz,
  created_at timestamptz not null,
  constraint delivery_open_has_attempt check (state not in ('planned', 'failing', 'removing') or next_attempt_at is not null)
);
create unique index delivery_one_live on delivery (certificate_id, destination_id) where state not in ('removed');
create unique index delivery_one_at_location on delivery (destination_id, location) where state in ('planned', 'failing', 'delivered');
create index delivery_due on delivery (next_attempt_at) where next_attempt_at is not null;
create index delivery_destination_id on delivery (destination_id, id);

create table notice (
  id integer generated always as identity primary key,
  certificate_id integer not null constraint notice_certificate references certificate on delete cascade,
  notification_id integer constraint notice_notification references notification on delete cascade,
  event text not null,
  dedupe_key text not null,
  data jsonb not null default '{}',
  state text not null constraint notice_state check (state in ('due', 'sent', 'dropped')),
  attempts integer not null default 0,
  fault text,
  fault_detail text,
  next_attempt_at timestamptz,
  sent_at timestamptz,
  created_at timestamptz not null,
  constraint notice_due_has_attempt check (state <> 'due' or next_attempt_at is not null)
);
create unique index notice_dedupe on notice (dedupe_key);
create index notice_due on notice (next_attempt_at) where next_attempt_at is not null;
create index notice_certificate_id on notice (certificate_id);
`;

const tables = [
  'notice',
  'delivery',
  'certificate_replacement',
  'certificate_notification',
  'certificate_role',
  'certificate_domain',
  'certificate',
  'domain',
  'notification',
  'destination',
  'authority_role',
  'authority',
  'rotation_policy',
];

/** The life of certificates: what they are, who may use them, where they go, when something is due. */
export class Certificates1763700000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of tables) await runner.query(`drop table ${table}`);
    await runner.query('drop extension pg_trgm');
  }
}
