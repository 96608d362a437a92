import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor, type AuditedAct } from '../../audit/audit.js';
import { DomainRepository } from '../../domains/domain.repository.js';
import { withSerial } from '../../pki/certificate-name.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateRepository, type NewCertificate } from '../certificate.repository.js';
import { searchNames } from './new-row.js';

/** A new certificate, and what the audit log says of it. */
export interface Storable extends NewCertificate {
  actor: AuditActor;
  act: Pick<AuditedAct, 'action' | 'after'>;
  /** Makes roles and notifications that are missing, in the transaction that stores the certificate; gives the ids of all, which count instead of those in `links`. */
  complete?: (tx: Tx) => Promise<Pick<NewCertificate['links'], 'roleIds' | 'notificationIds'>>;
}

/** What else happens in the transaction that stores a certificate. */
export type Consequences = (tx: Tx, certificateId: number) => Promise<void>;

/** The authority has changed since it was loaded; load it again. */
export class StaleAuthority extends Error {}

/** Stores new certificates with their names, links and audit events. */
@Injectable()
export class CertificateStore {
  private readonly together = new Gathered<Storable, number>((many) => this.db.write((tx) => this.insert(tx, many)));

  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly domains: DomainRepository,
    private readonly audit: Audit,
  ) {}

  /**
   * The id of the stored certificate. One that is complete and has no consequences waits for nobody's lock, so it shares its
   * transaction with others that come at the same time. Throws StaleAuthority.
   */
  store(one: Storable, consequences?: Consequences): Promise<number> {
    if (!consequences && !one.complete) return this.together.run(one);
    return this.db.write(async (tx) => {
      const [id = 0] = await this.insert(tx, [one]);
      await consequences?.(tx, id);
      return id;
    });
  }

  /** The ids, in order. A name that is taken gets the serial number behind it, or a counter too (Lemur's naming). Throws StaleAuthority. */
  async insert(tx: Tx, all: readonly Storable[]): Promise<number[]> {
    const many: Storable[] = [];
    for (const one of all) many.push(one.complete ? { ...one, links: { ...one.links, ...await one.complete(tx) } } : one);
    const ids: number[] = [];
    for (const [i, id] of (await this.certificates.insert(tx, many)).entries()) ids.push(id ?? await this.rename(tx, many[i] as Storable));
    await this.domains.link(tx, many.flatMap(({ row }, i) => searchNames(row.commonName, row.terms).map((name) => ({ certificateId: ids[i] as number, name }))));
    await this.audit.recordMany(tx, many.map(({ actor, act }, i) => ({ actor, act: { ...act, targetType: 'certificate', targetId: ids[i] as number } })));
    return ids;
  }

  private async rename(tx: Tx, { row, links }: NewCertificate): Promise<number> {
    const suffix = row.serialHex ?? row.secretId;
    const distinct = withSerial(row.name, suffix);
    let name = row.name;
    for (let attempt = 0; attempt < 6; attempt += 1) {
      if (!await this.certificates.isNameTaken(tx, name)) throw new StaleAuthority();
      name = attempt === 0 ? distinct : withSerial(row.name, suffix, await this.certificates.highestSuffix(tx, distinct) + 1);
      const [id] = await this.certificates.insert(tx, [{ row: { ...row, name }, links }]);
      if (typeof id === 'number') return id;
    }
    throw new Problem('conflict', `No free name was found for ${row.name}.`);
  }
}
