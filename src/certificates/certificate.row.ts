import { limitsOf } from '../authorities/authority.repository.js';
import { type LabelledAuthority, labelColumns } from '../authorities/authority-label.js';
import { type LabelledNotification, notificationMembers } from '../notifications/notification-columns.js';
import { shownSubscriptionsOf } from '../notifications/subscription.repository.js';
import { type EndpointName, endpointNameColumns } from '../sources/endpoint.repository.js';
import type { Tx } from '../platform/db/database.js';
import { certificateColumn, csrColumn } from '../platform/db/der-column.js';
import { likePattern } from '../platform/db/list-filter.js';
import { prepared } from '../platform/db/statement.js';
import { invalid } from '../platform/http/problem.js';
import { chainOf } from './certificate-chain.js';
import { certificatesNamed } from './certificate-names.js';
import { keyRolesOf, rolesOf } from './certificate-roles.js';
import type { Certificate, CertificateState } from './certificate.entity.js';
import type { RevocationSource } from '../revocation/verify/revocation-check.js';
import { lineIds } from './line-ids.js';
import { isWatched } from './notify/certificate-subscription.repository.js';
import type { StoredTerms } from './terms.js';
import type { CheckedStatus } from './verify/revocation-check.repository.js';
import { certificateHold, type Withdrawal } from './withdraw/withdrawal.entity.js';

// Reads certificates with everything that views show of them: one CertificateRow each, by one statement (`readRows`).

interface Named {
  id: number;
  name: string;
}
/** A certificate as the views of other objects show it. */
export interface LinkedCertificate extends Named {
  state: CertificateState;
  owner: string;
  description: string | null;
  /** The CN of the subject. */
  subjectCn: string | null;
  serialHex: string | null;
  issuer: string;
  bits: number;
  notify: boolean;
  rotation: boolean;
  rotationPolicy: { id: number; name: string; days: number | null };
  /** DER in base64, like `csrDer`. */
  bodyDer: string | null;
  csrDer: string | null;
  /** Milliseconds since 1970 in JSON, because PostgreSQL has its own format for years before 1. */
  notBefore: Date | number;
  notAfter: Date | number;
}

/** The open order of a certificate. Times are milliseconds since 1970. `chainPem`: only in rows with the chain. */
export interface OpenOrderRow {
  deadlineAt: number;
  progress: string | null;
  awaitsApproval: boolean;
  disputed: { at: number; serialHex: string; chainPem: string | null } | null;
}

/** What a CA was told or will be told about a certificate. Times are milliseconds since 1970. */
export interface WithdrawalRow {
  kind: Withdrawal['kind'];
  state: Withdrawal['state'];
  serialHex: string | null;
  attempts: number;
  fault: string | null;
  detail: string | null;
  nextAttemptAt: number | null;
  createdAt: number;
  doneAt: number | null;
}

/** One certificate with its relations, as one statement reads it for a view. Never has the private key. */
export interface CertificateRow extends Named {
  state: CertificateState;
  owner: string;
  description: string | null;
  commonName: string;
  distinguishedName: string;
  bodyPem: string | null;
  chainPem: string | null;
  csrPem: string | null;
  hasPrivateKey: boolean;
  issuer: string;
  serialHex: string | null;
  sha256: string | null;
  keyType: string;
  bits: number;
  keyWeakness: string | null;
  signingAlgorithm: string | null;
  notBefore: Date;
  notAfter: Date;
  sanCount: number;
  terms: StoredTerms;
  labels: string[];
  notify: boolean;
  rotation: boolean;
  externalId: string | null;
  lemurId: number | null;
  attempts: number;
  answeredAt: Date | null;
  fault: string | null;
  faultDetail: string | null;
  nextAttemptAt: Date | null;
  /** Null unless an issuer outside the process works on it. */
  openOrder: OpenOrderRow | null;
  withdrawals: WithdrawalRow[];
  renewalReason: string | null;
  renewalAttempts: number;
  renewalFault: string | null;
  renewalDetail: string | null;
  vouchingRole: string | null;
  nextRenewalAt: Date | null;
  nextNoticeAt: Date | null;
  /** Since when it is on hold, or is to be; see `heldAt` below. */
  heldAt: Date | null;
  revokedAt: Date | null;
  revocationReason: number | null;
  supersededAt: Date | null;
  /** The last answer of its CA. `at`: milliseconds since 1970. */
  revocationCheck: { status: CheckedStatus; why: string; source: RevocationSource; at: number } | null;
  awaitsDeployment: boolean;
  deletedAt: Date | null;
  createdAt: Date;
  /** When the row was read. */
  readAt: Date;
  creatorId: number | null;
  creator: { id: number; username: string; email: string; active: boolean } | null;
  authority: LabelledAuthority | null;
  profile: { id: number; name: string; version: number } | null;
  rotationPolicy: { id: number; name: string; days: number | null; lifetimeFraction: number | null };
  domains: { id: number; name: string; sensitive: boolean }[];
  roles: { id: number; name: string; description: string; byIssuer: boolean }[];
  notifications: LabelledNotification[];
  destinations: { id: number; label: string; description: string | null; pluginId: string }[];
  endpoints: EndpointName[];
  replaces: LinkedCertificate[];
  replaced: LinkedCertificate[];
}

/** A row as the statement returns it. */
type StoredRow = Omit<CertificateRow, 'bodyPem' | 'csrPem'> & Record<'bodyDer' | 'csrDer', Buffer | null>;

function rowOf({ bodyDer, csrDer, ...row }: StoredRow): CertificateRow {
  return { ...row, bodyPem: certificateColumn.from(bodyDer), csrPem: csrColumn.from(csrDer) };
}

const millis = (column: string): string => `extract(epoch from ${column}) * 1000`;
const list = (fields: string, from: string): string =>
  `(select coalesce(json_agg(json_build_object(${fields}) order by x.id), '[]') from ${from})`;

/** The arguments of SQL's `json_build_object` that make a `LinkedCertificate` of the certificate `x`. */
export const linkedColumns = `
  'id', x.id, 'name', x.name, 'state', x.state, 'owner', x.owner, 'description', x.description,
  'subjectCn', x.terms->'subject'->>'commonName', 'serialHex', x.serial_hex, 'issuer', x.issuer, 'bits', x.bits,
  'notify', x.notify, 'rotation', x.rotation,
  'bodyDer', encode(x.body_der, 'base64'), 'csrDer', encode(x.csr_der, 'base64'),
  'notBefore', extract(epoch from x.not_before) * 1000, 'notAfter', extract(epoch from x.not_after) * 1000,
  'rotationPolicy', (
    select json_build_object('id', p.id, 'name', p.name, 'days', p.days)
    from rotation_policy p where p.id = x.rotation_policy_id)`;

/**
 * When the CA was asked to put the certificate `c` on hold, unless it has refused or was asked for something else since
 * then; for whichever row of the certificate.
 */
export const heldAt = `case when c.state in ('issued', 'superseded') then (
    select case when x.reason = ${certificateHold} then x.created_at end from withdrawal x
    where x.authority_id = c.authority_id and x.serial_hex = c.serial_hex and x.kind = 'revoke'
      and x.state <> 'given-up' order by x.id desc limit 1) end`;

const columns = `
  c.id, c.name, c.state, c.owner, c.description, c.common_name as "commonName",
  c.distinguished_name as "distinguishedName",
  c.body_der as "bodyDer", case when $2 then ${chainOf('c')} end as "chainPem", c.csr_der as "csrDer",
  c.sealed_key is not null as "hasPrivateKey",
  c.issuer, c.serial_hex as "serialHex", c.sha256, c.key_type as "keyType", c.bits,
  coalesce(c.key_weakness, (select 'A certificate with this key was revoked because the key is compromised'
    from certificate k where k.spki_sha256 = c.spki_sha256 and k.revocation_reason = 1 limit 1)) as "keyWeakness",
  c.signing_algorithm as "signingAlgorithm",
  c.not_before as "notBefore", c.not_after as "notAfter", c.san_count as "sanCount", c.terms,
  c.labels, c.notify, c.rotation,
  c.external_id as "externalId", c.lemur_id as "lemurId", c.attempts, c.answered_at as "answeredAt", c.fault,
  c.fault_detail as "faultDetail",
  c.next_attempt_at as "nextAttemptAt",
  case when c.state in ('requested', 'pending') then (
    select json_build_object('deadlineAt', ${millis('o.deadline_at')}, 'progress', o.progress,
      'awaitsApproval', o.awaits_approval, 'disputed',
      case when o.disputed_at is not null then json_build_object('at', ${millis('o.disputed_at')},
        'serialHex', o.disputed_serial_hex, 'chainPem', case when $2 then o.disputed_chain_pem end) end)
    from certificate_order o where o.certificate_id = c.id) end as "openOrder",
  ${list(
    `'kind', x.kind, 'state', x.state, 'serialHex', x.serial_hex, 'attempts', x.attempts, 'fault', x.fault,
    'detail', x.fault_detail, 'nextAttemptAt', ${millis('x.next_attempt_at')},
    'createdAt', ${millis('x.created_at')}, 'doneAt', ${millis('x.done_at')}`,
    'withdrawal x where x.certificate_id = c.id',
  )} as withdrawals,
  c.renewal_reason as "renewalReason", c.renewal_attempts as "renewalAttempts", c.renewal_fault as "renewalFault",
  c.renewal_detail as "renewalDetail", c.vouching_role as "vouchingRole", c.next_renewal_at as "nextRenewalAt",
  case when ${isWatched} then (select at from next_notice where certificate_id = c.id) end as "nextNoticeAt",
  ${heldAt} as "heldAt",
  c.revoked_at as "revokedAt", c.revocation_reason as "revocationReason", c.superseded_at as "supersededAt",
  (select json_build_object('status', k.status, 'why', k.why, 'source', k.source, 'at', ${millis('k.checked_at')})
    from revocation_check k where k.certificate_id = c.id and k.status is not null) as "revocationCheck",
  c.awaits_deployment as "awaitsDeployment", c.deleted_at as "deletedAt",
  c.created_at as "createdAt", now() as "readAt", c.creator_id as "creatorId",
  (select json_build_object('id', u.id, 'username', u.username, 'email', u.email, 'active', u.active)
    from app_user u where u.id = c.creator_id) as creator,
  (select ${labelColumns('a', limitsOf('a'))} from authority a where a.id = c.authority_id) as authority,
  (select json_build_object('id', p.id, 'name', p.name, 'version', c.profile_version)
    from profile p where p.id = c.profile_id) as profile,
  (select json_build_object('id', p.id, 'name', p.name, 'days', p.days, 'lifetimeFraction', p.lifetime_fraction)
    from rotation_policy p where p.id = c.rotation_policy_id) as "rotationPolicy",
  ${list(
    `'id', x.id, 'name', x.name, 'sensitive', x.sensitive`,
    'certificate_domain l join domain x on x.id = l.domain_id where l.certificate_id = c.id',
  )} as domains,
  ${list(
    `'id', x.id, 'name', x.name, 'description', x.description, 'byIssuer', x.id not in (${keyRolesOf('c')})`,
    `(${rolesOf('c')}) as l join role x on x.id = l.id`,
  )} as roles,
  ${list(
    notificationMembers('x', 'ch')
      .map(([name, sql]) => `'${name}', ${sql}`)
      .join(', '),
    `(${shownSubscriptionsOf('c')}) as l join subscription x on x.id = l.id join channel ch on ch.id = x.channel_id
    where cardinality(x.leads_s) > 0`,
  )} as notifications,
  ${list(
    `'id', x.id, 'label', x.label, 'description', x.description, 'pluginId', x.plugin_id`,
    `delivery l join destination x on x.id = l.destination_id
    where l.certificate_id = c.id and l.state not in ('removing', 'removed', 'left')`,
  )} as destinations,
  ${list(
    endpointNameColumns('x', 's'),
    'endpoint x join source s on s.id = x.source_id where x.certificate_id = c.id',
  )} as endpoints,
  ${list(
    linkedColumns,
    'certificate_replacement l join certificate x on x.id = l.replaced_id where l.certificate_id = c.id',
  )} as replaces,
  ${list(
    linkedColumns,
    'certificate_replacement l join certificate x on x.id = l.certificate_id where l.replaced_id = c.id',
  )} as replaced`;

// The subquery hides the length of the array from the planner, so that one cached plan serves every number of ids.
const selectByIds = prepared<StoredRow>(
  'certificate_rows',
  `select ${columns} from certificate c where c.id = any(array(select unnest($1::int[])))`,
);

/** The ids of at most `most` certificates whose name contains the text, or equals it when quoted. Ignores case. */
export async function idsByName(tx: Tx, text: string, most: number): Promise<number[]> {
  const rows: { id: number }[] = await tx.query(
    `select distinct id from (${certificatesNamed('$1')}) as named limit $2`,
    [likePattern(text.toLowerCase()), most],
  );
  return rows.map(({ id }) => id);
}

/** The labels of the certificates that exist, in no particular order. */
export async function readLinked(tx: Tx, ids: readonly number[]): Promise<LinkedCertificate[]> {
  const rows: { label: LinkedCertificate }[] = await tx.query(
    `select json_build_object(${linkedColumns}) as label from certificate x where x.id = any($1)`,
    [ids],
  );
  return rows.map(({ label }) => label);
}

/** A certificate in the line of renewals. */
export type LineRow = Pick<Certificate, 'id' | 'name' | 'state' | 'serialHex' | 'notBefore' | 'notAfter' | 'renewsId'>;

/** The line of a certificate: all its predecessors and successors, oldest first; at most 500. */
export function readLine(tx: Tx, id: number): Promise<LineRow[]> {
  return tx.query(
    `select id, name, state, serial_hex as "serialHex", not_before as "notBefore", not_after as "notAfter",
       renews_id as "renewsId"
     from certificate where id = any(${lineIds('both', 'select $1::int')}) order by created_at, id
     limit 500`,
    [id],
  );
}

/** The maximum of PEM in one page. Each certificate has some kilobytes of names and numbers besides. */
const mostBytes = 32 * 1024 * 1024;
/**
 * Like `readRows`, for a page of a list. Throws Problem `invalid-request` when the page has more than 32 MiB; the text
 * tells how many to request.
 */
export async function readPage(tx: Tx, ids: readonly number[], withChain: boolean): Promise<CertificateRow[]> {
  const count = ids.length <= 1 ? ids.length : await countWithin(tx, ids, withChain);
  if (count < ids.length)
    throw invalid(
      'count',
      `These ${ids.length} certificates are larger than an answer can be (${mostBytes / 1024 / 1024} MiB): ask for ` +
        `at most ${Math.max(count, 1)} at a time, with count.`,
    );
  return readRows(tx, ids, withChain);
}

/**
 * How many of the first certificates fit into one response. Adds up the lengths of stored texts without reading them.
 */
async function countWithin(tx: Tx, ids: readonly number[], withChain: boolean): Promise<number> {
  const linked = (own: string, other: string): string =>
    `coalesce((select sum(octet_length(x.body_der) + coalesce(octet_length(x.csr_der), 0))
      from certificate_replacement l join certificate x on x.id = l.${other} where l.${own} = c.id), 0)`;
  // Five times the body, because several members of the response repeat the names in `terms`.
  const [{ count }] = await tx.query<[{ count: number }]>(
    `select count(*) filter (where bytes <= $3)::int as count from (
       select sum(5 * coalesce(octet_length(c.body_der), 0) + coalesce(octet_length(c.csr_der), 0)
         + case when $2 then coalesce(octet_length(${chainOf('c')}), 0) else 0 end
         + ${linked('certificate_id', 'replaced_id')} + ${linked('replaced_id', 'certificate_id')})
         over (order by w.place) as bytes
       from unnest($1::int[]) with ordinality as w(id, place) join certificate c on c.id = w.id) as sizes`,
    [ids, withChain, mostBytes],
  );
  return count;
}

/** The rows in the order of `ids`. `chainPem` is null unless `withChain`. */
export async function readRows(tx: Tx, ids: readonly number[], withChain = true): Promise<CertificateRow[]> {
  if (ids.length === 0) return [];
  const rows = await selectByIds(tx, [ids, withChain]);
  const byId = new Map(rows.map((row) => [row.id, rowOf(row)]));
  return ids.map((id) => byId.get(id)).filter((row) => row !== undefined);
}
