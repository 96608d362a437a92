import { Injectable } from '@nestjs/common';
import { freeName, withSerial } from '../pki/certificate-name.js';
import type { Tx } from '../platform/db/database.js';
import { snake } from '../platform/db/snake-naming.js';
import { timestamp } from '../platform/db/timestamp.js';
import { prepared } from '../platform/db/statement.js';
import { Problem } from '../platform/http/problem.js';
import { Sealed } from '../platform/secrets/sealed.js';
import { noSuccession, type Succession } from '../rotation/due.js';
import { Certificate } from './certificate.entity.js';
import type { LineRow } from './history/history.schema.js';

/** The columns of a row about to be made; what is not given is null or the column's default. */
export type NewRow = Pick<
  Certificate,
  | 'state'
  | 'name'
  | 'owner'
  | 'creatorId'
  | 'commonName'
  | 'distinguishedName'
  | 'secretId'
  | 'issuer'
  | 'spkiSha256'
  | 'keyType'
  | 'bits'
  | 'notBefore'
  | 'notAfter'
  | 'sanCount'
  | 'terms'
  | 'notify'
  | 'rotation'
  | 'rotationPolicyId'
  | 'vouchingRole'
  | 'createdAt'
> &
  Partial<Omit<Certificate, 'id'>>;

/** What tells an issued certificate from all others; without an `id` it is not stored yet. */
export type IssuedIdentity = Pick<Partial<Certificate>, 'id' | 'sha256' | 'issuerSha256' | 'serialHex' | 'authorityId'>;

/**
 * Ids of what a new certificate is linked with. `issuerRoleIds`: those of `roleIds` that are there only because the
 * authority is theirs; they give no right to the key. `authorityVersion`: the version of the authority that signed.
 */
export interface NewLinks {
  roleIds: readonly number[];
  issuerRoleIds: readonly number[];
  notificationIds: readonly number[];
  replacesIds: readonly number[];
  authorityVersion?: number;
}

/** Ids of roles, notifications and destinations that hang on a certificate. `issuerRoleIds` as in `NewLinks`. */
export interface Links {
  roleIds: number[];
  issuerRoleIds: number[];
  notificationIds: number[];
  destinationIds: number[];
}

/** A row about to be made with its links. */
export interface NewCertificate {
  row: NewRow;
  links: NewLinks;
}

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
      notification_ids int[], replaces_ids int[], authority_version int)),
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
  notifications as (insert into certificate_subscription (certificate_id, subscription_id)
    select id, unnest(notification_ids) from linked),
  replaced as (insert into certificate_replacement (certificate_id, replaced_id) select id, unnest(replaces_ids)
    from linked)
  select id, secret_id as "secretId" from made`,
);

/** A row as JSON that `jsonb_populate_recordset` reads. */
function jsonOf(row: NewRow): Record<string, unknown> {
  return Object.fromEntries(columns.map((column, i) => [names[i] ?? '', jsonValue(row[column])]));
}

const jsonValue = (value: unknown): unknown =>
  value instanceof Sealed ? `\\x${value.bytes.toString('hex')}` : value instanceof Date ? timestamp(value) : value;

/** Every query that changes certificates or finds single ones; see also list/ and due.repository.ts. */
@Injectable()
export class CertificateRepository {
  /**
   * The new rows' ids, in order; null where the name is taken, by another of them too, or where the authority has
   * changed since its `authorityVersion`.
   */
  async insert(tx: Tx, many: readonly NewCertificate[]): Promise<(number | null)[]> {
    const links = many.map(({ row, links }) => ({
      secret_id: row.secretId,
      role_ids: links.roleIds,
      issuer_role_ids: links.issuerRoleIds,
      notification_ids: links.notificationIds,
      replaces_ids: links.replacesIds,
      authority_version: links.authorityVersion,
    }));
    const made = await insertAll(tx, [JSON.stringify(many.map(({ row }) => jsonOf(row))), JSON.stringify(links)]);
    const ids = new Map(made.map(({ id, secretId }) => [secretId, id]));
    return many.map(({ row }) => ids.get(row.secretId) ?? null);
  }

  async isNameTaken(tx: Tx, name: string): Promise<boolean> {
    const rows: unknown[] = await tx.query('select from certificate where name = $1', [name]);
    return rows.length > 0;
  }

  /**
   * Every other row of the same certificate: of its fingerprint, or of its serial number from the same issuer or
   * authority.
   */
  twinsOf(tx: Tx, { id = 0, sha256, issuerSha256, serialHex, authorityId }: IssuedIdentity): Promise<Certificate[]> {
    return tx
      .createQueryBuilder(Certificate, 'c')
      .where(
        'c.id <> :id and (c.sha256 = :sha256 or (c.serialHex = :serialHex and ' +
          '(c.issuerSha256 = :issuerSha256 or c.authorityId = :authorityId)))',
        { id, sha256, issuerSha256, serialHex, authorityId },
      )
      .orderBy('c.id')
      .getMany();
  }

  /** A name that nobody has, by Lemur's rule; until `tx` ends, others who ask for the same name wait. */
  async freeName(tx: Tx, name: string, serialHex: string): Promise<string> {
    const distinct = withSerial(name, serialHex);
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`certificate.name:${name}`]);
    const rows: { name: string }[] = await tx.query(
      'select name from certificate where name = any($1) union select name from certificate where lower(name) like $2',
      [[name, distinct], `${distinct.toLowerCase().replace(/[\\%_]/g, '\\$&')}-%`],
    );
    return freeName(name, serialHex, new Set(rows.map((row) => row.name)));
  }

  async get(tx: Tx, id: number): Promise<Certificate> {
    const found = await tx.findOneBy(Certificate, { id });
    if (!found) throw new Problem('not-found', `There is no certificate ${id}.`);
    return found;
  }

  find(tx: Tx, id: number): Promise<Certificate | null> {
    return tx.findOneBy(Certificate, { id });
  }

  findByRequestKey(tx: Tx, creatorId: number, requestKey: string): Promise<Certificate | null> {
    return tx.findOneBy(Certificate, { creatorId, requestKey });
  }

  async findId(tx: Tx, ref: { id?: number; name?: string }): Promise<number | null> {
    const rows: { id: number }[] = await tx.query('select id from certificate where id = $1 or name = $2', [
      ref.id ?? null,
      ref.name ?? null,
    ]);
    return rows[0]?.id ?? null;
  }

  async lock(tx: Tx, id: number): Promise<Certificate> {
    const found = await tx.findOne(Certificate, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!found) throw new Problem('not-found', `There is no certificate ${id}.`);
    return found;
  }

  /** Locks the row, lets `work` change the entity, saves what differs. */
  async change<T>(tx: Tx, id: number, work: (certificate: Certificate) => T | Promise<T>): Promise<T> {
    const certificate = await this.lock(tx, id);
    const result = await work(certificate);
    await tx.save(certificate);
    return result;
  }

  /** The renewal of this certificate, unless that failed or was revoked. */
  findSuccessor(tx: Tx, id: number): Promise<Certificate | null> {
    return tx
      .createQueryBuilder(Certificate, 'c')
      .where(`c.renewsId = :id and c.state not in ('failed', 'cancelled', 'revoked') and c.deletedAt is null`, { id })
      .getOne();
  }

  async successionOf(tx: Tx, id: number): Promise<Succession> {
    return (await this.successionsOf(tx, [id]))[0] ?? noSuccession;
  }

  /** In the order of `ids`. */
  successionsOf(tx: Tx, ids: readonly number[]): Promise<Succession[]> {
    return tx.query(
      `select exists (select from certificate where renews_id = w.id and state not in ('failed', 'cancelled', 'revoked')
        and deleted_at is null) as "hasSuccessor",
              exists (select from certificate_replacement r join certificate c on c.id = r.certificate_id
                      where r.replaced_id = w.id and c.renews_id is distinct
                      from w.id and c.state in ('issued', 'superseded') and c.deleted_at is null) as "isReplaced",
              exists (select from certificate o join certificate c on c.spki_sha256 = o.spki_sha256
                      where o.id = w.id and c.revocation_reason = 1) as "keyCompromised"
       from unnest($1::int[]) with ordinality as w(id, place) order by w.place`,
      [ids],
    );
  }

  /** Ids of the issued certificates, other than this one, that have the same key, in order. */
  async issuedWithKeyOf(tx: Tx, { id, spkiSha256 }: Pick<Certificate, 'id' | 'spkiSha256'>): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate where spki_sha256 = $1 and id <> $2 and state = 'issued' and deleted_at is null
       order by id`,
      [spkiSha256, id],
    );
    return rows.map((row) => row.id);
  }

  /** Ids of what this certificate replaces directly, in order. */
  async predecessorsOf(tx: Tx, id: number): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      'select replaced_id as id from certificate_replacement where certificate_id = $1 order by 1',
      [id],
    );
    return rows.map((row) => row.id);
  }

  /** The certificate with all before and after it, over any number of replacements, oldest first; at most 500. */
  lineOf(tx: Tx, id: number): Promise<LineRow[]> {
    return tx.query(
      `with recursive
         older(id) as (select $1::int union select r.replaced_id from certificate_replacement r
         join older on r.certificate_id = older.id),
         newer(id) as (select $1::int union select r.certificate_id from certificate_replacement r
         join newer on r.replaced_id = newer.id)
       select id, name, state, serial_hex as "serialHex", not_before as "notBefore", not_after as "notAfter",
         renews_id as "renewsId"
       from certificate where id in (select id from older union select id from newer) order by created_at, id
       limit 500`,
      [id],
    );
  }

  /** True when `newId` replaces `oldId`, directly or over others. */
  async replacesInLine(tx: Tx, newId: number, oldId: number): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `with recursive line(id) as (
         select $1::int union
         select r.replaced_id from certificate_replacement r join line on r.certificate_id = line.id)
       select from line where id = $2`,
      [newId, oldId],
    );
    return rows.length > 0;
  }

  /** Ids of what hangs on a certificate, in order. */
  async linksOf(tx: Tx, id: number): Promise<Links> {
    const rows: Links[] = await tx.query(
      `select array(select role_id from certificate_role where certificate_id = $1 order by 1) as "roleIds",
              array(select role_id from certificate_role where certificate_id = $1 and by_issuer
              order by 1) as "issuerRoleIds",
              array(select subscription_id from certificate_subscription where certificate_id = $1
              order by 1) as "notificationIds",
              array(select destination_id from delivery where certificate_id = $1
              and state not in ('removing', 'removed', 'left') order by 1) as "destinationIds"`,
      [id],
    );
    return rows[0] ?? { roleIds: [], issuerRoleIds: [], notificationIds: [], destinationIds: [] };
  }

  /** True where a certificate of the same key was asked for, or uploaded, with this very CSR. */
  async isCsrKnown(tx: Tx, { spkiSha256, csrPem }: Pick<NewRow, 'spkiSha256' | 'csrPem'>): Promise<boolean> {
    const sql = 'select from certificate where spki_sha256 = $1 and csr_pem = $2 limit 1';
    return (await tx.query<unknown[]>(sql, [spkiSha256, csrPem])).length > 0;
  }

  /**
   * Replaces the links of one kind. A role that is linked already stays linked for the same reason; of new ones those
   * of `issuerIds` are there only because the authority is theirs.
   */
  async setLinks(
    tx: Tx,
    id: number,
    kind: 'role' | 'subscription' | 'replaced',
    ids: readonly number[],
    issuerIds: readonly number[] = [],
  ): Promise<void> {
    const table = kind === 'replaced' ? 'certificate_replacement' : `certificate_${kind}`;
    await tx.query(`delete from ${table} where certificate_id = $1 and not ${kind}_id = any($2)`, [id, ids]);
    const isRole = kind === 'role';
    await tx.query(
      `insert into ${table} (certificate_id, ${kind}_id${isRole ? ', by_issuer' : ''})
       select $1, x${isRole ? ', x = any($3::int[])' : ''} from unnest($2::int[]) as x on conflict do nothing`,
      [id, ids, ...(isRole ? [issuerIds] : [])],
    );
  }
}
