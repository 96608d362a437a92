import { Injectable } from '@nestjs/common';
import { Authorities, demandActive, type LoadedAuthority } from '../../authorities/authorities.js';
import { nextNoticeAt } from '../../notifications/lead.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { noSuccession, planRenewal, type RenewalRule } from '../../rotation/due.js';
import type { NewRow } from '../certificate.repository.js';
import { issuedFacts } from '../issued-facts.js';
import type { TermsWithoutDates } from '../terms.js';
import { CertificateStore, type Storable, type Stored } from './certificate-store.js';
import { enqueueOrders } from './issue.jobs.js';
import { OrderRepository } from './order.repository.js';
import { baseName, type Custody, provisionalName, rowBeforeIssue, type Subject } from './new-row.js';
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
  issuerRoleIds: readonly number[];
  notificationIds: readonly number[];
  /** How long before the end each notification warns, in seconds. */
  leadsS: readonly number[];
  replacesIds: readonly number[];
  /** As `Storable.complete`; absent when nothing is missing. */
  complete?: Storable['complete'];
  /** As `Storable.claimsKey`. */
  claimsKey?: boolean;
}

/** A certificate that has been stored, and the row as it was then but for its name. */
export interface Made extends Stored {
  row: NewRow;
}

/**
 * Who asks for a certificate, what the audit log keeps of it, and what else happens in the transaction that stores it.
 */
export interface Occasion {
  actor: Actor;
  after: object;
  /** `issued` is false while an issuer still works on it. */
  consequences?: (tx: Tx, certificateId: number, issued: boolean) => Promise<void>;
}

/** How long the row of a request waits before the sweep takes care of it, should its job be lost. */
const safetyNetMs = 15 * 60_000;
const atOnceTimeoutMs = 30_000;
/** Where the authority does not say how long its issuer may take. */
const defaultOrderDeadlineDays = 14;
const dayMs = 86_400_000;

/**
 * Turns a blueprint into a certificate. An issuer inside the process signs at once, and the certificate is stored with
 * all its consequences in one transaction; for any other the request is stored first and a job asks the issuer.
 */
@Injectable()
export class Issuing {
  constructor(
    private readonly clock: Clock,
    private readonly authorities: Authorities,
    private readonly certificates: CertificateStore,
    private readonly orders: OrderRepository,
  ) {}

  /**
   * Throws Problem `authority-inactive`, PluginError when an issuer in the process refuses, and StaleAuthority: load it
   * again and retry.
   */
  async run(blueprint: Blueprint, authority: LoadedAuthority, occasion: Occasion): Promise<Made> {
    demandActive(authority.authority);
    return authority.plugin.answers === 'at-once'
      ? this.issueNow(blueprint, authority, occasion)
      : this.request(blueprint, authority, occasion);
  }

  private async issueNow(blueprint: Blueprint, authority: LoadedAuthority, occasion: Occasion): Promise<Made> {
    const { subject, terms, validity } = blueprint;
    const outcome = await this.authorities.order(
      authority,
      {
        request: {
          csrPem: subject.csrPem,
          spkiDer: subject.spkiDer,
          terms: { ...terms, ...validity },
          idempotencyKey: subject.secretId,
        },
      },
      AbortSignal.timeout(atOnceTimeoutMs),
    );
    if (outcome.status === 'failed') throw outcome.error;
    if (outcome.status === 'pending') throw new Error('An issuer that answers at once must not answer "pending".');
    const facts = issuedFacts(outcome.chainPem, outcome.externalId);
    const row: NewRow = {
      ...rowBeforeIssue(blueprint.custody, subject, terms),
      ...facts,
      ...this.plans(blueprint),
      state: 'issued',
      name: this.nameOf(blueprint, authority),
      createdAt: this.clock.now(),
    };
    const { consequences } = occasion;
    const stored = await this.certificates.store(
      storable(row, blueprint, authority, occasion),
      consequences && ((tx, id) => consequences(tx, id, true)),
    );
    return { ...stored, row };
  }

  private async request(blueprint: Blueprint, authority: LoadedAuthority, occasion: Occasion): Promise<Made> {
    const now = this.clock.now();
    const row: NewRow = {
      ...rowBeforeIssue(blueprint.custody, blueprint.subject, blueprint.terms),
      ...blueprint.validity,
      state: 'requested',
      issuer: '<pending>',
      createdAt: now,
      nextAttemptAt: new Date(now.getTime() + safetyNetMs),
      name: blueprint.customName
        ? this.nameOf(blueprint, authority)
        : provisionalName(this.nameOf(blueprint, authority), blueprint.subject.secretId),
    };
    const deadlineDays = authority.authority.orderDeadlineDays ?? defaultOrderDeadlineDays;
    const stored = await this.certificates.store(storable(row, blueprint, authority, occasion), async (tx, id) => {
      await this.orders.add(tx, id, new Date(now.getTime() + deadlineDays * dayMs));
      await occasion.consequences?.(tx, id, false);
      await enqueueOrders(tx, [{ id, authorityId: authority.authority.id }]);
    });
    return { ...stored, row };
  }

  /** When it is due for renewal and for its first warning. */
  private plans({
    custody,
    validity,
    policy,
    leadsS,
  }: Blueprint): Pick<NewRow, 'nextRenewalAt' | 'renewalReason' | 'nextNoticeAt'> {
    const plan = planRenewal({ ...custody, ...validity, state: 'issued', hasIssuer: true, ...noSuccession }, policy);
    return {
      nextRenewalAt: plan.at,
      renewalReason: plan.obstacle ?? plan.reason,
      nextNoticeAt: custody.notify ? nextNoticeAt(validity, leadsS) : null,
    };
  }

  private nameOf({ customName, terms, validity }: Blueprint, { authority }: LoadedAuthority): string {
    return baseName(customName, {
      terms,
      issuer: { commonName: authority.commonName, selfSigned: false },
      ...validity,
    });
  }
}

function storable(
  row: NewRow,
  blueprint: Blueprint,
  { authority }: LoadedAuthority,
  { actor, after }: Occasion,
): Storable {
  const { roleIds, issuerRoleIds, replacesIds, notificationIds, complete, claimsKey } = blueprint;
  return {
    row,
    actor,
    complete,
    claimsKey,
    links: { roleIds, issuerRoleIds, replacesIds, notificationIds, authorityVersion: authority.version },
    act: { action: row.state === 'issued' ? 'certificate.issued' : 'certificate.requested', after },
  };
}
