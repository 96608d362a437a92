/*
 * Seeds the inventory of a large company from one issued certificate: services in environments of teams, issued over
 * 500 days by 50 authorities for 90, 200 or 397 days, so that about half have expired. Each certificate has about three
 * names; every fifth shares one with others. 500 owners with their roles, notices, deliveries to 20 destinations,
 * renewals.
 */
const batch = 100_000;
const services = `array['payments', 'search', 'billing', 'catalog', 'identity', 'gateway', 'ledger', 'mailer',
  'orders', 'pricing', 'profile', 'reports', 'shipping', 'stock', 'tracking', 'vault', 'checkout', 'media',
  'metrics', 'queue']`;
const environments = `array['prod', 'staging', 'test', 'dev']`;
const mark = '-Bench-seed';
const longAgo = `now() - interval '30 days'`;

const around = [
  `insert into role (name, description)
   select 'team-' || n || '@example.com', '' from generate_series(0, 499) n on conflict do nothing`,
  `insert into destination (label, plugin_id, secret_id, open)
   select 'place-' || n, 'filesystem', gen_random_uuid(), true from generate_series(1, 20) n`,
  `insert into channel (label, plugin_id, options, recipients, secret_id, origin)
   values ('bench', 'email', '{"recipients": "ops@example.com"}', '{ops@example.com}', gen_random_uuid(), 'person')`,
  `insert into subscription (label, channel_id, events, leads_s, lead_unit, scope, active)
   select 'bench-' || n, c.id, '{certificate.expiring}', array[86400 * (1 + n % 60)], 'days', 'certificates', true
   from channel c, generate_series(1, 100) as n where c.label = 'bench'`,
];

/** Columns that differ between the copies, as SQL over `n` (from 1). All other columns are copied from the template. */
const own = {
  name: `host || '${mark}'`,
  common_name: 'host',
  owner: `'team-' || team || '@example.com'`,
  authority_id: '(select ids[1 + n % 50] from authorities)',
  issuer: `'CN=Bench Root ' || n % 50 || ',O=Example ' || n % 7`,
  serial_hex: 'upper(to_hex(n + (1::bigint << 62)))',
  sha256: `encode(sha256(('certificate' || n)::bytea), 'hex')`,
  spki_sha256: `encode(sha256(('key' || n)::bytea), 'hex')`,
  secret_id: 'gen_random_uuid()',
  bits: 'case when rsa then 2048 else 256 end',
  key_type: `case when rsa then 'RSA2048' else 'ECCPRIME256V1' end`,
  signing_algorithm: `case when n % 50 < 10 then 'sha256WithRSA' else 'sha256WithECDSA' end`,
  created_at: 'begun',
  not_before: 'begun',
  not_after: 'ended',
  retired: `ended <= ${longAgo}`,
  san_count: 'case when n % 5 = 0 then 4 else 3 end',
  state: `case when n % 200 = 7 then 'revoked' when ended < now() and n % 2 = 0 then 'superseded' else 'issued' end`,
  notify: 'n % 200 <> 7',
  rotation: 'n % 3 = 0',
  next_renewal_at: 'null',
  request_key: 'null',
  renews_id: 'null',
  description: `case when n % 20 = 0 then 'Service ' || service || ' of team ' || team end`,
};

const certificates = (kept) => `
  with counted as (
    select n, (${services})[1 + n % 20] as service, (${environments})[1 + n / 20 % 4] as environment,
      n * 7 % 500 as team, now() - interval '500 days' * (1 - n::float8 / $2) as begun, n % 3 = 0 as rsa
    from generate_series($3::int, $4::int) as n),
  named as (
    select *, begun + make_interval(days => (array[90, 200, 397])[1 + n / 3 % 3]) as ended,
      case when n % 50 = 0 then '*.' else '' end
        || format('%s-%s.%s.team-%s.example.net', service, to_char(n, 'FM0000000'), environment, team) as host
    from counted),
  authorities as (select array_agg(id order by id) as ids from authority where name like 'bench%')
  insert into certificate (${[...kept, ...Object.keys(own)].join(', ')})
  select ${[...kept.map((column) => `t.${column}`), ...Object.values(own)].join(', ')}
  from named cross join (select ${kept.join(', ')} from certificate where id = $1) as t order by n`;

/** The seeded certificates from $1 to $2; `n` counts them from 1. */
const made = `(select id, common_name as cn, owner, not_after, row_number() over (order by id) as n
  from certificate where id between $1 and $2 and name like '%${mark}')`;
/** Every fifth certificate shares a name with others of its service and has one extra name. */
const names = `(select c.id, unnest(
    array[cn, 'www.' || host, case when n % 5 = 0 then regexp_replace(host, '-\\d+', '') else 'api.' || host end]
    || case when n % 5 = 0 then array['int.' || host, 'ext.' || host] else '{}' end) as name
  from (select *, replace(cn, '*.', '') as host from ${made} as m) as c)`;

const linked = [
  `insert into domain (name) select distinct name from ${names} as n on conflict (name) do nothing`,
  `insert into certificate_domain (certificate_id, domain_id)
   select distinct n.id, d.id from ${names} as n join domain d using (name)`,
  `insert into certificate_role (certificate_id, role_id)
   select c.id, r.id from ${made} as c join role r on lower(r.name) = c.owner`,
  `insert into certificate_subscription (certificate_id, subscription_id)
   select c.id, x.id from ${made} as c
   join (select id, row_number() over (order by id) - 1 as i from subscription where label like 'bench-%') as x
   on x.i = c.n % 100`,
  `insert into next_notice (certificate_id, at)
   select c.id, c.not_after - interval '30 days' from ${made} as c where c.not_after > now() + interval '31 days'`,
  `insert into delivery (certificate_id, destination_id, state, delivered_at, created_at)
   select c.id, d.id, 'delivered', now(), now() from ${made} as c
   join (select id, row_number() over (order by id) - 1 as i from destination where label like 'place-%') as d
   on d.i = c.n / 3 % 20 where c.n % 3 = 0`,
  `insert into certificate_replacement (certificate_id, replaced_id)
   select c.id + 1, c.id from ${made} as c where c.n % 4 = 0 and c.id + 1 <= $2 and c.not_after < now()`,
];

/** The large tables in filling order. Their constraints and indexes are dropped for the filling and created again. */
const tables = [
  'certificate',
  'certificate_search',
  'domain',
  'domain_search',
  'certificate_domain',
  'certificate_role',
  'certificate_subscription',
  'next_notice',
  'delivery',
  'certificate_replacement',
];
const needed = ['certificate_pkey', 'domain_pkey', 'domain_name'];

const definitions = `
  select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop,
         format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make,
         2 as rank
  from pg_constraint where conrelid::regclass::text = any($1) and contype = 'f'
  union all
  select format('alter table %s drop constraint %I', conrelid::regclass, conname),
         format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)),
         0
  from pg_constraint where conrelid::regclass::text = any($1) and contype = 'p' and not conname = any($2)
  union all
  select format('drop index %I', relname), pg_get_indexdef(i.indexrelid), 1
  from pg_index i join pg_class on pg_class.oid = i.indexrelid
  where i.indrelid::regclass::text = any($1) and not relname = any($2)
    and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u'))`;

/** Creates 49 copies of the template's authority: 50 authorities in total. */
const authorities = (columns) => `insert into authority (${columns.join(', ')}, name, secret_id)
  select ${columns.map((column) => `a.${column}`).join(', ')}, 'bench ' || n, gen_random_uuid()
  from authority a, generate_series(1, 49) n
  where a.id = (select authority_id from certificate where id = $1)`;

async function columnsOf(run, table, without) {
  const rows = await run(
    `select column_name as name from information_schema.columns
     where table_schema = 'public' and table_name = $1 order by ordinal_position`,
    [table],
  );
  return rows.map(({ name }) => name).filter((name) => !without.includes(name));
}

/** Connection options for `seedInventory`, in the form of a connection URL. */
export const settings =
  '-c synchronous_commit=off -c maintenance_work_mem=512MB -c work_mem=128MB -c statement_timeout=0';

/**
 * Adds `count` copies of the certificate `templateId`. `run` executes one statement on its own and returns the rows.
 * Updates the statistics as autovacuum would.
 */
export async function seedInventory(run, templateId, count) {
  await run(authorities(await columnsOf(run, 'authority', ['id', 'public_id', 'name', 'secret_id'])), [templateId]);
  for (const statement of around) await run(statement);
  const parts = await run(definitions, [tables, needed]);
  for (const { drop } of parts.toSorted((a, b) => b.rank - a.rank)) await run(drop);
  const kept = await columnsOf(run, 'certificate', ['id', ...Object.keys(own)]);
  for (let first = 1; first <= count; first += batch) {
    const [{ id }] = await run('select max(id) as id from certificate');
    await run(certificates(kept), [templateId, count, first, Math.min(first + batch - 1, count)]);
    const [{ id: last }] = await run('select max(id) as id from certificate');
    for (const statement of linked) await run(statement, [id + 1, last]);
  }
  for (const { make } of parts.toSorted((a, b) => a.rank - b.rank)) await run(make);
  await run('vacuum analyze');
}
