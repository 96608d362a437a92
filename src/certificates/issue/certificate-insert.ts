import { eventColumns, insertEvents } from '../../audit/audit.js';
import type { Domain } from '../../domains/domain.repository.js';
import type { Tx } from '../../platform/db/database.js';
import { certificateColumn, csrColumn } from '../../platform/db/der-column.js';
import { factsHave } from '../../platform/db/kept-facts.js';
import { snake } from '../../platform/db/snake-naming.js';
import { prepared } from '../../platform/db/statement.js';
import { timestamp } from '../../platform/db/timestamp.js';
import { Sealed } from '../../platform/secrets/sealed.js';
import { keptChain } from '../certificate-chain.js';
import type { NewCertificate, NewRow } from '../certificate.repository.js';
import type { KeyClaims, KeyFault } from './key-rules.js';

// The SQL statement that inserts certificates with their links, names and audit events.

/** The columns of `certificate` that `insertCertificates` writes. All others get their defaults. */
const columns = [
  'state',
  'name',
  'owner',
  'description',
  'creatorId',
  'authorityId',
  'profileId',
  'profileVersion',
  'commonName',
  'distinguishedName',
  'bodyPem',
  'csrPem',
  'secretId',
  'sealedKey',
  'issuer',
  'issuerSha256',
  'serialHex',
  'sha256',
  'spkiSha256',
  'keyType',
  'bits',
  'keyWeakness',
  'signingAlgorithm',
  'notBefore',
  'notAfter',
  'sanCount',
  'terms',
  'labels',
  'notify',
  'hearsDefaults',
  'rotation',
  'rotationPolicyId',
  'vouchingRole',
  'renewsId',
  'requestKey',
  'requestSha256',
  'externalId',
  'lemurId',
  'nextAttemptAt',
  'renewalReason',
  'nextRenewalAt',
  'createdAt',
] as const satisfies readonly (keyof NewRow)[];

const derColumns = { bodyPem: certificateColumn, csrPem: csrColumn };
const isDer = (column: string): column is keyof typeof derColumns => column in derColumns;

const names = columns.map((column) => snake(isDer(column) ? column.replace('Pem', 'Der') : column));
/*
 * Every insert waits for locks in this order: keys, names of certificates, names in certificates. `claim_keys` and
 * `link_names` see what was committed while they waited.
 */
const insertAll = prepared<{ secretId: string } & Inserted>(
  'certificate_insert',
  `
  with given as materialized (
    select *, (g.authority_version is null or exists (select from authority a
        where a.id = g.authority_id and a.version = g.authority_version and a.active))
      and ${factsHave('g.facts_versions')} as current
    from jsonb_to_recordset($2) as g(secret_id uuid, key text, names text[], listed_role_ids int[],
      issuer_role_id int, subscription_ids int[], replaces_ids int[], authority_id int, authority_version int,
      facts_versions bigint[], chain_pem text, next_notice_at timestamptz, event jsonb)),
  fault as materialized (select * from claim_keys($3, $4, $5)),
  chains as materialized (select p.chain_pem, ${keptChain('p.chain_pem')} as id
    from (select distinct chain_pem from given where chain_pem <> '' order by chain_pem) as p),
  made as (
    insert into certificate (${names.join(', ')}, issuer_role_id, chain_id)
    select ${names.map((name) => `c.${name}`).join(', ')}, g.issuer_role_id,
      (select id from chains where chains.chain_pem = g.chain_pem)
    from jsonb_populate_recordset(null::certificate, $1) as c join given g using (secret_id)
    where g.current
      and not exists (select from fault f where f.key = g.key and (f.is_compromised or f.is_of_another and not $6))
    order by c.lemur_id, c.name
    on conflict (name) do nothing returning id, secret_id),
  linked as (select m.id, g.* from made m join given g using (secret_id)),
  roles as (insert into certificate_role (certificate_id, role_id) select id, unnest(listed_role_ids) from linked),
  subscriptions as (insert into certificate_subscription (certificate_id, subscription_id)
    select id, unnest(subscription_ids) from linked),
  replaced as (insert into certificate_replacement (certificate_id, replaced_id) select id, unnest(replaces_ids)
    from linked),
  warned as (insert into next_notice (certificate_id, at) select id, next_notice_at from linked
    where next_notice_at is not null),
  named as materialized (
    select n.* from (select array_agg(l.id) as ids, array_agg(n) as names from linked l, unnest(l.names) n) as w,
      link_names(w.ids, w.names) as n),
  events as (${insertEvents(`linked l, jsonb_to_record(l.event) as e(${eventColumns}) order by l.id`, 'l.id::text')})
  select g.secret_id as "secretId", m.id, g.current as "isCurrent",
    coalesce(f.is_compromised, false) as "isCompromised", coalesce(f.is_of_another, false) as "isOfAnother", coalesce((
      select json_agg(json_build_object('id', n.id, 'name', n.name, 'sensitive', n.sensitive) order by n.id)
      from named n where n.certificate_id = m.id), '[]') as domains
  from given g left join made m using (secret_id) left join fault f on f.key = g.key`,
);

/**
 * The result for one row. `id`: null when the row was not stored. `isCurrent`: false when its authority or the kept
 * facts have changed.
 */
export interface Inserted extends KeyFault {
  id: number | null;
  isCurrent: boolean;
  domains: readonly Domain[];
}

/** A certificate to insert. `names`: see `searchNames`. `event`: its audit event. */
export interface Insertion extends NewCertificate {
  names: readonly string[];
  event: object;
}

/** For an insert that checks no keys: they need no check, or `KeyRules.claim` has checked them. */
export const noClaims: KeyClaims = { keys: [], owners: [], now: new Date(0), shared: false };

/**
 * Stores certificates with their links, names and audit events in one statement. The results are in the order of
 * `many`. A row is not stored when its name is taken, also by another row of `many`; when `authorityVersion` or one of
 * `factsVersions` is outdated; or when its key must not be certified for its owner.
 */
export async function insertCertificates(
  tx: Tx,
  many: readonly Insertion[],
  { keys, owners, now, shared }: KeyClaims,
): Promise<Inserted[]> {
  const given = many.map(({ row, links: of, names: found, event }) => ({
    secret_id: row.secretId,
    key: row.spkiSha256,
    names: found,
    listed_role_ids: of.listedRoleIds,
    issuer_role_id: of.issuerRoleId,
    subscription_ids: of.subscriptionIds,
    replaces_ids: of.replacesIds,
    authority_id: row.authorityId,
    authority_version: of.authorityVersion,
    facts_versions: of.factsVersions ?? [],
    chain_pem: row.chainPem,
    next_notice_at: row.nextNoticeAt && timestamp(row.nextNoticeAt),
    event,
  }));
  const rows = JSON.stringify(many.map(({ row }) => jsonOf(row)));
  const made = await insertAll(tx, [rows, JSON.stringify(given), keys, owners, now, shared]);
  const bySecret = new Map(made.map(({ secretId, ...one }) => [secretId, one]));
  return many.map(({ row }) => bySecret.get(row.secretId) as Inserted);
}

/** A row as JSON for `jsonb_populate_recordset`. Null columns are left out. */
function jsonOf(row: NewRow): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  columns.forEach((column, i) => {
    const value = row[column];
    if (value !== null && value !== undefined)
      json[names[i] ?? ''] = jsonValue(isDer(column) ? derColumns[column].to(value) : value);
  });
  return json;
}

function jsonValue(value: unknown): unknown {
  const bytes = value instanceof Sealed ? value.bytes : value;
  if (Buffer.isBuffer(bytes)) return `\\x${bytes.toString('hex')}`;
  return value instanceof Date ? timestamp(value) : value;
}
