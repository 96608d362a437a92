import { Injectable } from '@nestjs/common';
import { type AuditActor, type AuditedAct, eventOf } from '../../audit/audit.js';
import type { Domain } from '../../domains/domain.repository.js';
import { Database, isConflict, type Tx } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateRepository, type NewCertificate } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { insertCertificates, type Inserted, type Insertion, noClaims } from './certificate-insert.js';
import { type KeyClaim, KeyRules } from './key-rules.js';
import { provisionalName, searchNames } from './new-row.js';

/**
 * Those who ask for one name wait for one another; only a name that someone gives to a certificate by hand can come
 * between.
 */
const mostAttempts = 10;
/** Statements under way at the same time. */
const mostAtOnce = 2;

/** A new certificate, and what the audit log says of it. */
export interface Storable extends NewCertificate {
  actor: AuditActor;
  act: Pick<AuditedAct, 'action' | 'after'>;
  /**
   * Makes roles and notifications that are missing, in the transaction that stores the certificate; gives the
   * role of the authority's owner, which counts instead of that in `links`.
   */
  complete?: (tx: Tx) => Promise<Pick<NewCertificate['links'], 'issuerRoleId'>>;
  /** False when no subscription hears of it. */
  heard?: boolean;
  /** True when the key came with a request: KeyRules then say whether the certificate may have it. */
  claimsKey?: boolean;
}

/** What a certificate came to be called and which names it was linked with when it was stored. */
export interface Stored {
  id: number;
  name: string;
  domains: readonly Domain[];
}

/** What else happens in the transaction that stores a certificate. */
export type Consequences = (tx: Tx, certificateId: number) => Promise<void>;

/** The authority, or what was kept of rights and defaults, has changed since it was loaded; load it again. */
export class StaleFacts extends Error {}

/** Stores new certificates with their names, links and audit events. */
@Injectable()
export class CertificateStore {
  private readonly together = new Gathered<Storable, Inserted>((many) => this.insertAlone(many), mostAtOnce);

  constructor(
    private readonly db: Database,
    private readonly certificates: CertificateRepository,
    private readonly keyRules: KeyRules,
    private readonly notices: Notices,
  ) {}

  /**
   * The certificate as stored. One that is complete, has no consequences and of which nobody is told is stored by one
   * statement, without a transaction around it, which it shares with others that come at the same time. Throws
   * StaleFacts, and as `KeyRules.claim`.
   */
  async store(one: Storable, consequences?: Consequences): Promise<Stored> {
    const isAlone = !consequences && !one.complete && one.heard === false;
    return (
      (isAlone ? await this.storeAlone(one) : null) ??
      this.db.write(async (tx) => {
        const [stored] = (await this.insert(tx, [one])) as [Stored];
        await consequences?.(tx, stored.id);
        return stored;
      })
    );
  }

  /** Null where that takes a transaction: its name is taken, or others were in the way. Throws as `store`. */
  private async storeAlone(one: Storable): Promise<Stored | null> {
    const result = await this.together.run(one).catch((error: unknown) => {
      if (isConflict(error)) return null;
      throw error;
    });
    if (!result) return null;
    const stored = storedOf(one, result);
    if (!stored) this.keyRules.demandFaultless(result);
    return stored;
  }

  /**
   * In order. A name that is taken gets the serial number behind it, or a counter too (Lemur's naming). Throws
   * StaleFacts, and as `KeyRules.claim`.
   */
  async insert(tx: Tx, all: readonly Storable[]): Promise<Stored[]> {
    await this.keyRules.claim(tx, claimsOf(all));
    await this.certificates.lockLines(
      tx,
      all.flatMap(({ links }) => links.replacesIds),
    );
    const many: Storable[] = [];
    for (const one of all)
      many.push(one.complete ? { ...one, links: { ...one.links, ...(await one.complete(tx)) } } : one);
    const inserted = await insertCertificates(tx, many.map(insertionOf), noClaims);
    const made = new Map<Storable, Stored>();
    // In the order of names, in which everyone waits for names that others are about to take.
    for (const [one, result] of many
      .map((each, i) => [each, inserted[i] as Inserted] as const)
      .sort(([a], [b]) => (a.row.name < b.row.name ? -1 : 1)))
      made.set(one, storedOf(one, result) ?? (await this.rename(tx, one)));
    for (const event of ['certificate.issued', 'certificate.discovered'] as const) {
      const ids = many.filter(({ act }) => act.action === event).map((one) => (made.get(one) as Stored).id);
      await this.notices.tellSubscriptions(tx, event, ids);
    }
    return many.map((one) => made.get(one) as Stored);
  }

  private insertAlone(many: readonly Storable[]): Promise<Inserted[]> {
    const claims = claimsOf(many);
    this.keyRules.demandOneOwner(claims);
    return insertCertificates(this.db.single, many.map(insertionOf), this.keyRules.claimed(claims));
  }

  private async rename(tx: Tx, one: Storable): Promise<Stored> {
    const { row } = one;
    let { name } = row;
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      name = row.serialHex
        ? await this.certificates.freeName(tx, row.name, row.serialHex)
        : provisionalName(row.name, row.secretId, 'taken');
      const renamed = { ...one, row: { ...row, name } };
      const [result] = await insertCertificates(tx, [insertionOf(renamed)], noClaims);
      const stored = result && storedOf(renamed, result);
      if (stored) return stored;
    }
    throw new Problem('conflict', `No free name was found for ${row.name}.`);
  }
}

function claimsOf(many: readonly Storable[]): KeyClaim[] {
  return many.filter(({ claimsKey }) => claimsKey).map(({ row }) => row);
}

function insertionOf({ row, links, actor, act }: Storable): Insertion {
  const event = eventOf({ actor, act: { ...act, targetType: 'certificate', targetId: '' } });
  return { row, links, names: searchNames(row.commonName, row.terms), event };
}

/** Null where the name is taken. Throws StaleFacts. */
function storedOf({ row: { name } }: Pick<Storable, 'row'>, { id, isCurrent, domains }: Inserted): Stored | null {
  if (!isCurrent) throw new StaleFacts();
  return id === null ? null : { id, name, domains };
}
