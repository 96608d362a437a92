import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { freeName, withSerial } from '../pki/certificate-name.js';
import type { Tx } from '../platform/db/database.js';
import { csrColumn } from '../platform/db/der-column.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { type Reference, wordsOf } from '../platform/http/reference.js';
import { defaultsOf } from '../notifications/subscription.repository.js';
import type { SuccessionFacts } from '../rotation/due.js';
import { Certificate } from './certificate.entity.js';
import { keepChain } from './certificate-chain.js';
import { type Links, linksOfMany, predecessorsOfMany } from './certificate-links.js';
import { takenNames } from './certificate-names.js';
import { rolesOf } from './certificate-roles.js';
import { lineIds } from './line-ids.js';

/** The owner of a certificate and its settings. */
export type Care = Pick<
  Certificate,
  'owner' | 'description' | 'labels' | 'creatorId' | 'vouchingRole' | 'notify' | 'rotation'
>;

/**
 * The columns of a new row. A missing one is null or has the default of the column. `nextNoticeAt`: when its first
 * warning is due; null or missing for none.
 */
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
  | 'labels'
  | 'notify'
  | 'hearsDefaults'
  | 'rotation'
  | 'rotationPolicyId'
  | 'vouchingRole'
  | 'createdAt'
> &
  Partial<Omit<Certificate, 'id'>> & { nextNoticeAt?: Date | null };

/** The columns that identify an issued certificate. Without an `id` it is not stored yet. */
export type IssuedIdentity = Pick<Partial<Certificate>, 'id' | 'sha256' | 'issuerSha256' | 'serialHex' | 'authorityId'>;

/**
 * The ids of everything that a new certificate is linked to. `listedRoleIds`: without the owner's role, which follows
 * from its name. `issuerRoleId`: as `Certificate.issuerRoleId`. `subscriptionIds`: the listed ones.
 * `authorityVersion`: of the authority that signed; `factsVersions`: of kept facts that the row follows from (see
 * KeptFacts).
 */
export interface NewLinks {
  listedRoleIds: readonly number[];
  issuerRoleId: number | null;
  subscriptionIds: readonly number[];
  replacesIds: readonly number[];
  authorityVersion?: number;
  factsVersions?: readonly number[];
}

/** A new row and its links. */
export interface NewCertificate {
  row: NewRow;
  links: NewLinks;
}

/**
 * Every query that changes certificates or finds single ones. Lists and sweeps have their own: see list/ and
 * due.repository.ts.
 */
@Injectable()
export class CertificateRepository {
  /**
   * The other rows of the same certificate: with its fingerprint, or with its serial number and its issuer or
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

  /** A free name, built by Lemur's rule. Requests for the same name wait until `tx` ends. */
  async freeName(tx: Tx, name: string, serialHex: string): Promise<string> {
    const distinct = withSerial(name, serialHex);
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`certificate.name:${name}`]);
    return freeName(name, serialHex, await takenNames(tx, [name, distinct], `${distinct}-`));
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

  /** The ids of the referenced certificates, in order. Throws Problem `invalid-request` that names `field.INDEX`. */
  async resolve(tx: Tx, refs: readonly Reference[], field: string): Promise<number[]> {
    if (refs.length === 0) return [];
    const known: { id: number; name: string }[] = await tx.query(
      'select id, name from certificate where id = any($1) or name = any($2)',
      [refs.flatMap(({ id }) => id ?? []), refs.flatMap((ref) => (ref.id === undefined ? wordsOf(ref) : []))],
    );
    return refs.map((ref, index) => {
      const one = known.find(({ id, name }) => (ref.id === undefined ? name === wordsOf(ref) : id === ref.id));
      if (!one) throw invalid(`${field}.${index}`, `Unable to locate certificate ${wordsOf(ref)}.`);
      return one.id;
    });
  }

  /**
   * Locks these certificates and everything in their lines (what they replace and what replaces them, over any number
   * of steps) that can still change.
   *
   * Every transaction locks in this order, so that none deadlock: keys (`lockKeys`), then certificates in one call of
   * this, by ascending id, then deliveries, then the rest. A transaction that changes only one certificate may use
   * `lock`.
   */
  async lockLines(tx: Tx, ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await tx.query(
      `select id from certificate where id = any(${lineIds('both', 'select unnest($1::int[])')})
         and (id = any($1) or state in ('requested', 'pending', 'issued') or awaits_deployment or to_replace)
       order by id for no key update`,
      [ids],
    );
  }

  /** See `lockLines` for the order. Does not stop inserts of rows that refer to the certificate. */
  async lock(tx: Tx, id: number): Promise<Certificate> {
    return (await this.lockMany(tx, [id]))[0] as Certificate;
  }

  /** Like `lock` for many, in order of id. Throws Problem `not-found` when one is missing. */
  async lockMany(tx: Tx, ids: readonly number[]): Promise<Certificate[]> {
    const found = await tx.find(Certificate, {
      where: { id: In([...ids]) },
      order: { id: 'ASC' },
      lock: { mode: 'for_no_key_update' },
    });
    demandAll(ids, found);
    return found;
  }

  /** Adds those of these certificates that are not in `locked` to it, locked as by `lockMany`. Returns it. */
  async lockById(
    tx: Tx,
    ids: readonly number[],
    locked = new Map<number, Certificate>(),
  ): Promise<Map<number, Certificate>> {
    const missing = [...new Set(ids.filter((id) => !locked.has(id)))];
    if (missing.length > 0) for (const row of await this.lockMany(tx, missing)) locked.set(row.id, row);
    return locked;
  }

  /** Locks the row, lets `work` change the entity, and saves the changes. */
  async change<T>(tx: Tx, id: number, work: (certificate: Certificate) => T | Promise<T>): Promise<T> {
    const certificate = await this.lock(tx, id);
    const { chainPem } = certificate;
    const result = await work(certificate);
    if (certificate.chainPem !== chainPem) certificate.chainId = await keepChain(tx, certificate.chainPem);
    await tx.save(certificate);
    return result;
  }

  /** In no particular order. Throws Problem `not-found` when one is missing. */
  async getMany(tx: Tx, ids: readonly number[]): Promise<Certificate[]> {
    const found = await this.findMany(tx, ids);
    demandAll(ids, found);
    return found;
  }

  /** Those that exist, in no particular order. */
  async findMany(tx: Tx, ids: readonly number[]): Promise<Certificate[]> {
    return ids.length === 0 ? [] : tx.findBy(Certificate, { id: In([...ids]) });
  }

  /** Certificates of a profile whose renewal is planned, by id, after that id. */
  renewingByProfile(
    tx: Tx,
    profileId: number,
    { after, limit }: { after: number; limit: number },
  ): Promise<Certificate[]> {
    return tx
      .createQueryBuilder(Certificate, 'c')
      .where('c.profileId = :profileId and c.id > :after and c.nextRenewalAt is not null', { profileId, after })
      .orderBy('c.id')
      .limit(limit)
      .getMany();
  }

  /** The renewal of this certificate, unless it failed or was revoked. */
  findSuccessor(tx: Tx, id: number): Promise<Certificate | null> {
    return tx
      .createQueryBuilder(Certificate, 'c')
      .where(`c.renewsId = :id and c.state not in ('failed', 'cancelled', 'revoked') and c.deletedAt is null`, { id })
      .getOne();
  }

  /** The facts that decide about a renewal, in the order of `ids`. */
  successionsOf(tx: Tx, ids: readonly number[]): Promise<SuccessionFacts[]> {
    return tx.query(
      `select exists (select from certificate where renews_id = w.id and state not in ('failed', 'cancelled', 'revoked')
        and deleted_at is null) as "hasSuccessor",
              exists (select from certificate_replacement r join certificate c on c.id = r.certificate_id
                      where r.replaced_id = w.id and c.renews_id is distinct
                      from w.id and c.state in ('issued', 'superseded') and c.deleted_at is null) as "isReplaced",
              exists (select from certificate o join certificate c on c.spki_sha256 = o.spki_sha256
                      where o.id = w.id and c.revocation_reason = 1) as "keyCompromised",
              i.suggested_at as "suggestedAt", i.last_at as "suggestedLastAt"
       from unnest($1::int[]) with ordinality as w(id, place) left join renewal_info i on i.certificate_id = w.id
       order by w.place`,
      [ids],
    );
  }

  /** The ids of the other issued certificates with the same key, in order. */
  async issuedWithKeyOf(tx: Tx, { id, spkiSha256 }: Pick<Certificate, 'id' | 'spkiSha256'>): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate where spki_sha256 = $1 and id <> $2 and state = 'issued' and deleted_at is null
       order by id`,
      [spkiSha256, id],
    );
    return rows.map((row) => row.id);
  }

  /** The ids of the certificates that this one replaces directly, in order. */
  async predecessorsOf(tx: Tx, id: number): Promise<number[]> {
    return (await predecessorsOfMany(tx, [id])).get(id) ?? [];
  }

  /** True when `newId` replaces `oldId`, directly or in several steps, or is the same. */
  async replacesInLine(tx: Tx, newId: number, oldId: number): Promise<boolean> {
    return (await this.replacing(tx, oldId, [newId])).length > 0;
  }

  /** The ids among `newIds` that replace `oldId`, directly or in several steps, or are the same. */
  async replacing(tx: Tx, oldId: number, newIds: readonly number[]): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from unnest(${lineIds('newer', 'select $1::int')}) as line(id) where id = any($2)`,
      [oldId, newIds],
    );
    return rows.map(({ id }) => id);
  }

  /** The links of a certificate, in order of id. Throws Problem `not-found`. */
  async linksOf(tx: Tx, id: number): Promise<Links> {
    const found = (await linksOfMany(tx, [id])).get(id);
    if (!found) throw new Problem('not-found', `There is no certificate ${id}.`);
    return found;
  }

  /**
   * Makes exactly these subscriptions cover a certificate, and stores its owner. When all default subscriptions of the
   * owner are among them, `hears_defaults` covers these; the others are listed.
   */
  async setSubscriptions(tx: Tx, { id, owner }: Certificate, ids: readonly number[]): Promise<void> {
    const defaults = `select id from (${defaultsOf('$2')}) as d`;
    const [[{ hearsDefaults }]] = await tx.query<[[{ hearsDefaults: boolean }]]>(
      `update certificate set owner = $2, hears_defaults = not exists (${defaults} where id <> all($3::int[]))
         and (cardinality($3::int[]) = 0 or exists (${defaults} where id = any($3::int[])))
       where id = $1 returning hears_defaults as "hearsDefaults"`,
      [id, owner, ids],
    );
    const usual: { id: number }[] = hearsDefaults ? await tx.query(defaultsOf('$1'), [owner]) : [];
    await this.setLinks(
      tx,
      id,
      'subscription',
      ids.filter((one) => !usual.some((each) => each.id === one)),
    );
  }

  /** The ids of the roles of each certificate. */
  async rolesOf(tx: Tx, ids: readonly number[]): Promise<Map<number, number[]>> {
    const rows: { id: number; roleIds: number[] }[] = await tx.query(
      `select c.id, array(${rolesOf('c')}) as "roleIds" from certificate c where c.id = any($1)`,
      [ids],
    );
    return new Map(rows.map(({ id, roleIds }) => [id, roleIds]));
  }

  /** True when a certificate with the same key was requested or uploaded with exactly this CSR. */
  async isCsrKnown(tx: Tx, { spkiSha256, csrPem }: Pick<NewRow, 'spkiSha256' | 'csrPem'>): Promise<boolean> {
    const sql = 'select from certificate where spki_sha256 = $1 and csr_der = $2 limit 1';
    return (await tx.query<unknown[]>(sql, [spkiSha256, csrColumn.to(csrPem)])).length > 0;
  }

  /** Stores the labels at once, because subscriptions to them decide when the certificate is warned about. */
  async setLabels(tx: Tx, row: Certificate, labels: string[]): Promise<void> {
    row.labels = labels;
    await tx.query('update certificate set labels = $2 where id = $1', [row.id, labels]);
  }

  async setIssuerRole(tx: Tx, id: number, issuerRoleId: number | null): Promise<void> {
    await tx.query('update certificate set issuer_role_id = $2 where id = $1', [id, issuerRoleId]);
  }

  /** Replaces the links of one kind. */
  async setLinks(
    tx: Tx,
    id: number,
    kind: 'role' | 'subscription' | 'replaced',
    ids: readonly number[],
  ): Promise<void> {
    const table = kind === 'replaced' ? 'certificate_replacement' : `certificate_${kind}`;
    await tx.query(`delete from ${table} where certificate_id = $1 and not ${kind}_id = any($2)`, [id, ids]);
    await tx.query(
      `insert into ${table} (certificate_id, ${kind}_id) select $1, x from unnest($2::int[]) x on conflict do nothing`,
      [id, ids],
    );
  }
}

function demandAll(ids: readonly number[], found: readonly Certificate[]): void {
  const known = new Set(found.map(({ id }) => id));
  const missing = ids.find((id) => !known.has(id));
  if (missing !== undefined) throw new Problem('not-found', `There is no certificate ${missing}.`);
}
