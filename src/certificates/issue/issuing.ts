import { Injectable } from '@nestjs/common';
import { withSerial } from '../../pki/certificate-name.js';
import { Authorities, type LoadedAuthority } from '../../authorities/authorities.js';
import { DomainRepository } from '../../domains/domain.repository.js';
import { type Lead } from '../../notifications/notification.repository.js';
import { nextNoticeAt } from '../../notifications/lead.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { planRenewal, type RenewalRule } from '../../rotation/due.js';
import { CertificateRepository, type NewRow } from '../certificate.repository.js';
import { issuedFacts } from '../issued-facts.js';
import type { TermsWithoutDates } from '../terms.js';
import { issueCertificate } from './issue.jobs.js';
import { baseName, type Custody, rowBeforeIssue, searchNames, type Subject } from './new-row.js';
import type { Validity } from './validity.js';

/** Everything that was decided about a certificate before anyone is asked to sign it. */
export interface Blueprint {
  custody: Custody;
  terms: TermsWithoutDates;
  validity: Validity;
  subject: Subject & { csrPem: string };
  customName?: string;
  policy: RenewalRule;
  roleIds: readonly number[];
  notifications: readonly Lead[];
  replacesIds: readonly number[];
}

/** What happens in the transaction that stores the certificate. `issued` is false while an issuer still works on it. */
export type AfterStore = (tx: Tx, certificateId: number, issued: boolean) => Promise<void>;

/** The authority has changed since it was loaded; load it again. */
export class StaleAuthority extends Error {}

/** How long the row of a request waits before the sweep takes care of it, should its job be lost. */
const safetyNetMs = 15 * 60_000;
const inProcessTimeoutMs = 30_000;

/**
 * Turns a blueprint into a certificate. An issuer inside the process signs at once, and the certificate is stored with all
 * its consequences in one transaction; for any other the request is stored first and a job asks the issuer.
 */
@Injectable()
export class Issuing {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly certificates: CertificateRepository,
    private readonly domains: DomainRepository,
  ) {}

  /** The id of the stored certificate. Throws PluginError when an issuer in the process refuses, StaleAuthority to be retried. */
  async run(blueprint: Blueprint, authority: LoadedAuthority, after: AfterStore): Promise<number> {
    return authority.plugin.inProcess ? this.issueNow(blueprint, authority, after) : this.request(blueprint, authority, after);
  }

  private async issueNow(blueprint: Blueprint, authority: LoadedAuthority, after: AfterStore): Promise<number> {
    const { subject, terms, validity } = blueprint;
    const outcome = await this.authorities.sign(authority, {
      csrPem: subject.csrPem, spkiDer: subject.spkiDer, terms: { ...terms, ...validity }, idempotencyKey: subject.secretId,
    }, AbortSignal.timeout(inProcessTimeoutMs));
    if (outcome.status === 'failed') throw outcome.error;
    if (outcome.status === 'pending') throw new Error('An issuer in the process must not answer "pending".');
    const facts = issuedFacts(outcome.chainPem, outcome.externalId);
    const row: NewRow = {
      ...rowBeforeIssue(blueprint.custody, subject, terms), ...facts, ...this.plans(blueprint),
      state: 'issued', name: this.nameOf(blueprint, authority), createdAt: this.clock.now(),
    };
    return this.store(row, blueprint, authority, (tx, id) => after(tx, id, true));
  }

  private async request(blueprint: Blueprint, authority: LoadedAuthority, after: AfterStore): Promise<number> {
    const now = this.clock.now();
    const row: NewRow = {
      ...rowBeforeIssue(blueprint.custody, blueprint.subject, blueprint.terms), ...blueprint.validity,
      state: 'requested', issuer: '<pending>', createdAt: now, nextAttemptAt: new Date(now.getTime() + safetyNetMs),
      name: blueprint.customName ? this.nameOf(blueprint, authority) : withSerial(this.nameOf(blueprint, authority), blueprint.subject.secretId),
    };
    return this.store(row, blueprint, authority, async (tx, id) => {
      await after(tx, id, false);
      await issueCertificate.enqueue(tx, { certificateId: id });
    });
  }

  private store(row: NewRow, blueprint: Blueprint, authority: LoadedAuthority, after: (tx: Tx, id: number) => Promise<void>): Promise<number> {
    const links = {
      roleIds: blueprint.roleIds, replacesIds: blueprint.replacesIds,
      notificationIds: blueprint.notifications.map((n) => n.id), authorityVersion: authority.authority.version,
    };
    return this.db.write(async (tx) => {
      const id = await insertNamed(this.certificates, tx, row, links);
      await this.domains.link(tx, id, searchNames(row.commonName, row.terms));
      await after(tx, id);
      return id;
    });
  }

  /** When it is due for renewal and for its first warning. */
  private plans({ custody, validity, policy, notifications }: Blueprint): Pick<NewRow, 'nextRenewalAt' | 'renewalReason' | 'nextNoticeAt'> {
    const plan = planRenewal({ ...custody, ...validity, state: 'issued', hasIssuer: true, hasSuccessor: false }, policy);
    return {
      nextRenewalAt: plan.at,
      renewalReason: plan.obstacle ?? plan.reason,
      nextNoticeAt: custody.notify ? nextNoticeAt(validity, notifications.map((n) => n.leadS)) : null,
    };
  }

  private nameOf({ customName, terms, validity }: Blueprint, { authority }: LoadedAuthority): string {
    return baseName(customName, { terms, issuer: { commonName: authority.commonName, selfSigned: false }, ...validity });
  }
}

/**
 * Inserts a row under its name, or with its serial number behind it when the name is taken, or with a counter too (lemur
 * naming). Throws StaleAuthority when the authority has changed.
 */
export async function insertNamed(
  certificates: CertificateRepository, tx: Tx, row: NewRow, links: Parameters<CertificateRepository['insert']>[2],
): Promise<number> {
  const distinct = withSerial(row.name, row.serialHex ?? row.secretId);
  for (const name of [row.name, distinct]) {
    const id = await certificates.insert(tx, { ...row, name }, links);
    if (id !== null) return id;
    if (!await certificates.isNameTaken(tx, name)) throw new StaleAuthority();
  }
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const n = await certificates.highestSuffix(tx, distinct) + 1;
    const id = await certificates.insert(tx, { ...row, name: withSerial(row.name, row.serialHex ?? row.secretId, n) }, links);
    if (id !== null) return id;
  }
  throw new Problem('conflict', `No free name was found for ${row.name}.`);
}
