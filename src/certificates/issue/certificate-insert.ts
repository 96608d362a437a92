import type { Tx } from '../../platform/db/database.js';
import { snake } from '../../platform/db/snake-naming.js';
import { prepared } from '../../platform/db/statement.js';
import { timestamp } from '../../platform/db/timestamp.js';
import { Sealed } from '../../platform/secrets/sealed.js';
import type { NewCertificate, NewRow } from '../certificate.repository.js';

/** The columns that an insert writes; all others have their defaults. */
const columns = [
  'state',
  'name',
  'owner',
  'description',
  'creatorId',
  'authorityId',
  'commonName',
  'distinguishedName',
  'bodyPem',
  'chainPem',
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
  'nextNoticeAt',
  'createdAt',
] as const satisfies readonly (keyof NewRow)[];

const names = columns.map(snake);
const insertAll = prepared<{ id: number; secretId: string }>(
  'certificate_insert',
  `
  with links as (
    select * from jsonb_to_recordset($2) as l(secret_id uuid, role_ids int[], issuer_role_ids int[],
      subscription_ids int[], replaces_ids int[], authority_version int)),
  made as (
    insert into certificate (${names.join(', ')})
    select ${names.map((name) => `c.${name}`).join(', ')} from jsonb_populate_recordset(null::certificate, $1) as c
      join links l using (secret_id)
    where l.authority_version is null or exists (select from authority a
    where a.id = c.authority_id and a.version = l.authority_version and a.active)
    order by c.lemur_id, c.name
    on conflict (name) do nothing returning id, secret_id),
  linked as (select m.id, l.* from made m join links l using (secret_id)),
  roles as (insert into certificate_role (certificate_id, role_id, by_issuer) select id, r, r = any(issuer_role_ids)
    from linked, unnest(role_ids) r),
  subscriptions as (insert into certificate_subscription (certificate_id, subscription_id)
    select id, unnest(subscription_ids) from linked),
  replaced as (insert into certificate_replacement (certificate_id, replaced_id) select id, unnest(replaces_ids)
    from linked)
  select id, secret_id as "secretId" from made`,
);

/**
 * The new rows' ids, in order; null where the name is taken, by another of them too, or where the authority has changed
 * since its `authorityVersion`.
 */
export async function insertCertificates(tx: Tx, many: readonly NewCertificate[]): Promise<(number | null)[]> {
  const links = many.map(({ row, links: of }) => ({
    secret_id: row.secretId,
    role_ids: of.roleIds,
    issuer_role_ids: of.issuerRoleIds,
    subscription_ids: of.subscriptionIds,
    replaces_ids: of.replacesIds,
    authority_version: of.authorityVersion,
  }));
  const made = await insertAll(tx, [JSON.stringify(many.map(({ row }) => jsonOf(row))), JSON.stringify(links)]);
  const ids = new Map(made.map(({ id, secretId }) => [secretId, id]));
  return many.map(({ row }) => ids.get(row.secretId) ?? null);
}

/** A row as JSON that `jsonb_populate_recordset` reads. */
function jsonOf(row: NewRow): Record<string, unknown> {
  return Object.fromEntries(columns.map((column, i) => [names[i] ?? '', jsonValue(row[column])]));
}

const jsonValue = (value: unknown): unknown =>
  value instanceof Sealed ? `\\x${value.bytes.toString('hex')}` : value instanceof Date ? timestamp(value) : value;
