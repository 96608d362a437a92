import { Injectable } from '@nestjs/common';
import { type AuditActor, type AuditedAct, eventOf } from '../../audit/audit.js';
import type { Domain } from '../../domains/domain.repository.js';
import { withSerial } from '../../pki/certificate-name.js';
import { Clock } from '../../platform/clock.js';
import { Database, isConflict, type Tx } from '../../platform/db/database.js';
import { Gathered } from '../../platform/gathered.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateRepository, type NewCertificate, type NewRow } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { RenewalInfoRepository } from '../rotate/renewal-info.repository.js';
import { insertCertificates, type Inserted, type Insertion, noClaims } from './certificate-insert.js';
import { type KeyClaim, KeyRules } from './key-rules.js';
import { provisionalName, searchNames } from './new-row.js';

// Stores new certificates: finds a free name, checks keys, and runs the insert statement of certificate-insert.ts.

/**
 * How many names CertificateStore tries for a certificate. Requests for the same name wait for each other, so only a
 * user who renames a certificate can take a name in between.
 */
const mostAttempts = 10;
/** The maximum of shared insert statements that run at the same time. */
const mostAtOnce = 2;

/** A new certificate to store, with its audit event. */
export interface Storable extends NewCertificate {
  actor: AuditActor;
  act: Pick<AuditedAct, 'action' | 'after'>;
  /**
   * Creates missing roles and notifications in the transaction that stores the certificate. Returns the role of the
   * authority's owner, which replaces the one in `links`.
   */
  complete?: (tx: Tx) => Promise<Pick<NewCertificate['links'], 'issuerRoleId'>>;
  /** False when no subscription has its event. */
  heard?: boolean;
  /** True when the key came with a request: KeyRules then decide whether the certificate may have it. */
  claimsKey?: boolean;
}

/** A stored certificate: the name that it got, and the domains that it is linked to. */
export interface Stored {
  id: number;
  name: string;
  domains: readonly Domain[];
}

/** The authority or the kept facts have changed since they were loaded. Load them again and retry. */
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
    private readonly clock: Clock,
    private readonly renewalInfos: RenewalInfoRepository,
  ) {}

  /**
   * Stores one certificate without consequences. Without `complete` and subscriptions that have its event, it is stored
   * by one statement, which concurrent requests share; otherwise in a transaction of its own. Throws StaleFacts, and
   * like `KeyRules.claim`.
   */
  async store(one: Storable): Promise<Stored> {
    const isAlone = !one.complete && one.heard === false;
    return (
      (isAlone ? await this.storeAlone(one) : null) ??
      this.db.write(async (tx) => (await this.insert(tx, [one]))[0] as Stored)
    );
  }

  /** Null when it needs a transaction: its name is taken, or the statement conflicted. Throws like `store`. */
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
   * Stores certificates in `tx`. The results are in the order of `all`. When a name is taken, the serial number is
   * appended to it, and a counter if needed (Lemur's rule). `separately`: subscriptions get a message for each. Throws
   * StaleFacts, and like `KeyRules.claim`.
   */
  async insert(tx: Tx, all: readonly Storable[], separately = false): Promise<Stored[]> {
    await this.keyRules.claim(tx, claimsOf(all));
    await this.certificates.lockLines(
      tx,
      all.flatMap(({ links }) => links.replacesIds),
    );
    const many: Storable[] = [];
    for (const one of all)
      many.push(one.complete ? { ...one, links: { ...one.links, ...(await one.complete(tx)) } } : one);
    const made = await this.insertNamed(tx, many);
    const asked = many.filter(isFromElsewhere).map((one) => ({
      id: (made.get(one) as Stored).id,
      authorityId: one.row.authorityId ?? null,
    }));
    await this.renewalInfos.watch(tx, asked, this.clock.now());
    for (const event of ['certificate.issued', 'certificate.discovered'] as const) {
      const ids = many.filter(({ act }) => act.action === event).map((one) => (made.get(one) as Stored).id);
      await this.notices.tellSubscriptions(tx, event, ids, separately);
    }
    return many.map((one) => made.get(one) as Stored);
  }

  /** Inserts all, with their second names those whose names are taken, and one by one those that need a third. */
  private async insertNamed(tx: Tx, many: readonly Storable[]): Promise<Map<Storable, Stored>> {
    const made = new Map<Storable, Stored>();
    const insertAs = async (rows: readonly Storable[], nameOf: (row: NewRow) => string): Promise<Storable[]> => {
      const named = rows.map((one) => ({ ...one, row: { ...one.row, name: nameOf(one.row) } }));
      const inserted = await insertCertificates(tx, named.map(insertionOf), noClaims);
      return rows.filter((one, i) => {
        const stored = storedOf(named[i] as Storable, inserted[i] as Inserted);
        if (stored) made.set(one, stored);
        return !stored;
      });
    };
    const taken = await insertAs(many, ({ name }) => name);
    const left = taken.length > 0 ? await insertAs(taken, secondName) : [];
    // Sorted by name, because every transaction waits for names in this order.
    for (const one of left.toSorted((a, b) => (a.row.name < b.row.name ? -1 : 1)))
      made.set(one, await this.rename(tx, one));
    return made;
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

/** It was issued before it was stored here: its CA is asked when to renew it. */
function isFromElsewhere({ row, act }: Storable): boolean {
  return row.state === 'issued' && Boolean(row.authorityId) && act.action !== 'certificate.issued';
}

/** The name of a certificate whose first name is taken. */
function secondName({ name, serialHex, secretId }: NewRow): string {
  return serialHex ? withSerial(name, serialHex) : provisionalName(name, secretId, 'taken');
}

function claimsOf(many: readonly Storable[]): KeyClaim[] {
  return many.filter(({ claimsKey }) => claimsKey).map(({ row }) => row);
}

function insertionOf({ row, links, actor, act }: Storable): Insertion {
  const event = eventOf({ actor, act: { targetType: 'certificate', targetId: '', ...act } });
  return { row, links, names: searchNames(row.commonName, row.terms), event };
}

/** Null when it was not stored, because its name is taken or its key is refused. Throws StaleFacts. */
function storedOf({ row: { name } }: Pick<Storable, 'row'>, { id, isCurrent, domains }: Inserted): Stored | null {
  if (!isCurrent) throw new StaleFacts();
  return id === null ? null : { id, name, domains };
}
