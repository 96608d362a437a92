import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor, type AuditedAct } from '../../audit/audit.js';
import { DomainRepository, type Domain } from '../../domains/domain.repository.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateRepository, type NewCertificate } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { insertCertificates } from './certificate-insert.js';
import { KeyRules } from './key-rules.js';
import { provisionalName, searchNames } from './new-row.js';

/**
 * Those who ask for one name wait for one another; only a name that someone gives to a certificate by hand can come
 * between.
 */
const mostAttempts = 10;

/** A new certificate, and what the audit log says of it. */
export interface Storable extends NewCertificate {
  actor: AuditActor;
  act: Pick<AuditedAct, 'action' | 'after'>;
  /**
   * Makes roles and notifications that are missing, in the transaction that stores the certificate; gives the ids of
   * all roles, which count instead of those in `links`.
   */
  complete?: (tx: Tx) => Promise<Pick<NewCertificate['links'], 'roleIds' | 'issuerRoleIds'>>;
  /** True when the key came with a request: KeyRules then say whether the certificate may have it. */
  claimsKey?: boolean;
}

/** What a certificate came to be called and which names it was linked with when it was stored. */
export interface Stored {
  id: number;
  name: string;
  domains: readonly Domain[];
}

type Named = Pick<Stored, 'id' | 'name'>;

/** What else happens in the transaction that stores a certificate. */
export type Consequences = (tx: Tx, certificateId: number) => Promise<void>;

/** The authority has changed since it was loaded; load it again. */
export class StaleAuthority extends Error {}

/** Stores new certificates with their names, links and audit events. */
@Injectable()
export class CertificateStore {
  private readonly together = new Gathered<Storable, Stored>((many) => this.db.write((tx) => this.insert(tx, many)));

  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly domains: DomainRepository,
    private readonly keyRules: KeyRules,
    private readonly audit: Audit,
    private readonly notices: Notices,
  ) {}

  /**
   * The certificate as stored. One that is complete and has no consequences locks no other certificate, so it shares
   * its transaction with others that come at the same time. Throws StaleAuthority, and as `KeyRules.claim`.
   */
  store(one: Storable, consequences?: Consequences): Promise<Stored> {
    if (!consequences && !one.complete) return this.together.run(one);
    return this.db.write(async (tx) => {
      const [stored] = (await this.insert(tx, [one])) as [Stored];
      await consequences?.(tx, stored.id);
      return stored;
    });
  }

  /**
   * In order. A name that is taken gets the serial number behind it, or a counter too (Lemur's naming). Throws
   * StaleAuthority, and as `KeyRules.claim`.
   */
  async insert(tx: Tx, all: readonly Storable[]): Promise<Stored[]> {
    await this.keyRules.claim(
      tx,
      all.filter(({ claimsKey }) => claimsKey).map(({ row }) => row),
    );
    await this.certificates.lockLines(
      tx,
      all.flatMap(({ links }) => links.replacesIds),
    );
    const many: Storable[] = [];
    for (const one of all)
      many.push(one.complete ? { ...one, links: { ...one.links, ...(await one.complete(tx)) } } : one);
    const ids = await insertCertificates(tx, many);
    const made = new Map<Storable, Named>();
    // In the order of names, in which everyone waits for names that others are about to take.
    for (const [one, id] of many
      .map((each, i) => [each, ids[i] ?? null] as const)
      .sort(([a], [b]) => (a.row.name < b.row.name ? -1 : 1))) {
      made.set(one, id === null ? await this.rename(tx, one) : { id, name: one.row.name });
    }
    return this.finish(
      tx,
      many.map((one) => [one, made.get(one) as Named]),
    );
  }

  private async finish(tx: Tx, made: readonly (readonly [Storable, Named])[]): Promise<Stored[]> {
    const pairs = made.flatMap(([{ row }, { id }]) =>
      searchNames(row.commonName, row.terms).map((name) => ({ certificateId: id, name })),
    );
    const domains = await this.domains.link(tx, pairs);
    await this.audit.recordMany(
      tx,
      made.map(([{ actor, act }, { id }]) => ({ actor, act: { ...act, targetType: 'certificate', targetId: id } })),
    );
    for (const event of ['certificate.issued', 'certificate.discovered'] as const) {
      const ids = made.filter(([{ act }]) => act.action === event).map(([, { id }]) => id);
      await this.notices.tellSubscriptions(tx, event, ids);
    }
    return made.map(([, { id, name }]) => ({ id, name, domains: domains.get(id) ?? [] }));
  }

  private async rename(tx: Tx, { row, links }: NewCertificate): Promise<Named> {
    let { name } = row;
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      if (!(await this.certificates.isNameTaken(tx, name))) throw new StaleAuthority();
      name = row.serialHex
        ? await this.certificates.freeName(tx, row.name, row.serialHex)
        : provisionalName(row.name, row.secretId, 'taken');
      const [id] = await insertCertificates(tx, [{ row: { ...row, name }, links }]);
      if (typeof id === 'number') return { id, name };
    }
    throw new Problem('conflict', `No free name was found for ${row.name}.`);
  }
}
