/** The tables of Lemur 1.9 as its migrations leave them, with the parts that an import looks at. */
export const lemurSchema = `
create type log_type as enum ('create_cert', 'update_cert', 'key_view', 'revoke_cert', 'delete_cert');
create table users (
  id serial primary key, password varchar(128), active boolean, confirmed_at timestamp,
  username varchar(255) not null unique,
  email varchar(128) unique, profile_picture varchar(255));
create table roles (
  id serial primary key, name varchar(128) unique, username varchar(128), password bytea, description text,
  authority_id integer, user_id integer references users, third_party boolean);
create table roles_users (user_id integer references users, role_id integer references roles);
create table rotation_policies (id serial primary key, name varchar, days integer);
create table dns_providers (
  id serial primary key, name varchar(256) unique, description varchar(1024), provider_type varchar(256),
  credentials bytea, api_endpoint varchar(256),
  date_created timestamp default now(), status varchar(128), options json, domains json);
create table authorities (
  id serial primary key, owner varchar(128) not null, name varchar(128) unique, body text, chain text, bits integer,
  cn varchar(128),
  not_after timestamp, not_before timestamp, active boolean, date_created timestamp not null default now(),
  plugin_name varchar(64),
  description text, options json, user_id integer references users);
create table roles_authorities (authority_id integer references authorities, role_id integer references roles);
create table certificates (
  id serial primary key, external_id varchar(128), owner varchar(128) not null, name varchar(256) unique,
  description varchar(1024), notify boolean,
  body text not null, chain text, csr text, private_key bytea, issuer varchar(128), serial varchar(128),
  cn varchar(128), deleted boolean,
  dns_provider_id integer references dns_providers, not_before timestamp, not_after timestamp,
  date_created timestamp not null default now(),
  signing_algorithm varchar(128), status varchar(128), bits integer, san varchar(1024), rotation boolean,
  user_id integer references users,
  authority_id integer references authorities, root_authority_id integer references authorities,
  rotation_policy_id integer references rotation_policies,
  key_type varchar(128));
create table domains (id serial primary key, name varchar(256), sensitive boolean);
create table certificate_associations (
  domain_id integer references domains, certificate_id integer references certificates, ports integer[],
  primary key (domain_id, certificate_id));
create table destinations (id serial primary key, label varchar(32), options json, description text,
plugin_name varchar(32));
create table sources (id serial primary key, label varchar(32) unique, options json, description text,
plugin_name varchar(32), active boolean, last_run timestamp);
create table notifications (id serial primary key, label varchar(128) unique, description text, options json,
active boolean, plugin_name varchar(32));
create table certificate_destination_associations (destination_id integer references destinations,
certificate_id integer references certificates);
create table certificate_source_associations (source_id integer references sources,
certificate_id integer references certificates);
create table certificate_notification_associations (notification_id integer references notifications,
certificate_id integer references certificates, id serial primary key);
create table certificate_replacement_associations (replaced_certificate_id integer references certificates,
certificate_id integer references certificates);
create table roles_certificates (certificate_id integer references certificates, role_id integer references roles);
create table api_keys (
  id serial primary key, name varchar(128), user_id integer references users, ttl bigint, issued_at bigint,
  revoked boolean, application_name varchar(256));
create table logs (
  id serial primary key, certificate_id integer references certificates, log_type log_type,
  logged_at timestamp not null default now(), user_id integer references users);
create table policies (id serial primary key, name varchar(32));
create table ciphers (id serial primary key, name varchar(128) not null);
create table policies_ciphers (cipher_id integer references ciphers, policy_id integer references policies);
create table endpoints (
  id serial primary key, owner varchar(128), name varchar(128), dnsname varchar(256), type varchar(128), active boolean,
  port integer, date_created timestamp,
  policy_id integer references policies, certificate_id integer references certificates,
  source_id integer references sources, sensitive boolean,
  last_updated timestamp not null default now(), certificate_path varchar(256), registry_type varchar(128));
create table pending_certs (
  id serial primary key, external_id varchar(128), owner varchar(128) not null, name varchar(256) unique,
  description varchar(1024), notify boolean,
  number_attempts integer, rename boolean, resolved boolean, resolved_cert_id integer references certificates,
  cn varchar(128), csr text not null, chain text,
  private_key bytea, date_created timestamp default now(), dns_provider_id integer references dns_providers,
  status varchar(128), rotation boolean,
  user_id integer references users, authority_id integer references authorities,
  rotation_policy_id integer references rotation_policies,
  last_updated timestamp default now(), options json);
`;
