import { query } from './postgres.mjs';

/*
 * Copies of one issued certificate under names, serial numbers and SANs of their own: services in environments of teams, as
 * an inventory has them. Three names each, of which one is shared by the instances of a service. Ends of validity are spread
 * over the next 90 days.
 */
const words = `array['payments', 'search', 'billing', 'catalog', 'identity', 'gateway', 'ledger', 'mailer', 'orders', 'pricing',
  'profile', 'reports', 'shipping', 'stock', 'tracking', 'vault', 'checkout', 'media', 'metrics', 'queue']`;
const environments = `array['prod', 'staging', 'test', 'dev']`;

const certificates = (columns) => `
  with seeded as (
    select n, (${words})[1 + n % 20] as service, (${environments})[1 + n / 20 % 4] as environment, 'team-' || n % 50 as team from generate_series(1, $2::int) as n),
  named as (
    select n, format('%s-%s.%s.%s.example.net', service, to_char(n, 'FM000000'), environment, team) as host from seeded)
  insert into certificate (${[...columns, 'name', 'common_name', 'owner', 'serial_hex', 'sha256', 'spki_sha256', 'secret_id', 'not_after', 'san_count'].join(', ')})
  select ${columns.map((column) => `t.${column}`).join(', ')}, host || '-Bench-seed', host, 'team-' || n % 50 || '@example.com',
    upper(to_hex(n + (1::bigint << 62))), encode(sha256(('certificate' || n)::bytea), 'hex'), encode(sha256(('key' || n)::bytea), 'hex'), gen_random_uuid(),
    now() + make_interval(hours => n % 2160), 3
  from named, (select * from certificate where id = $1) as t`;

const made = `(select id, common_name, regexp_replace(common_name, '-\\d+', '') as service from certificate where name like '%-Bench-seed')`;
const names = `(select id, unnest(array[common_name, 'www.' || common_name, service]) as name from ${made} as c)`;

const rest = [
  `insert into domain (name) select distinct name from ${names} as n on conflict (name) do nothing`,
  `insert into certificate_domain (certificate_id, domain_id) select n.id, d.id from ${names} as n join domain d using (name)`,
  ...['role', 'notification'].map((kind) => `insert into certificate_${kind} (certificate_id, ${kind}_id)
    select c.id, l.${kind}_id from ${made} as c, certificate_${kind} l where l.certificate_id = (select min(id) from certificate)`),
  'vacuum analyze',
];

const replaced = new Set(['id', 'name', 'common_name', 'owner', 'serial_hex', 'sha256', 'spki_sha256', 'secret_id', 'not_after', 'san_count', 'request_key', 'renews_id']);

/** Adds `count` certificates that look like the one with the id `templateId`. Leaves the statistics as autovacuum would. */
export async function seedCertificates(databaseUrl, templateId, count) {
  const columns = await query(databaseUrl,
    `select column_name as name from information_schema.columns where table_schema = 'public' and table_name = 'certificate' order by ordinal_position`);
  await query(databaseUrl, certificates(columns.map(({ name }) => name).filter((name) => !replaced.has(name))), [templateId, count]);
  for (const statement of rest) await query(databaseUrl, statement);
}
