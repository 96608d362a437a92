import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import { Authorities } from '../../authorities/authorities.js';
import { splitCertificates } from '../../pki/pem.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { MailLimit } from '../../auth/mail-limit.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { lacking } from '../../roles/permission.js';
import { CertificateAccess } from '../access.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Deploying } from '../deploy/deploying.js';
import { lockKeys } from '../issue/key-rules.js';
import { isOpen } from '../issue/issue.record.js';
import { OrderRepository } from '../issue/order.repository.js';
import { Notices } from '../notify/notices.js';
import { Planning } from '../planning.js';
import { rotateCertificate } from '../rotate/rotate.job.js';
import { CertificateUse } from '../certificate-use.js';
import { Revocations } from '../../revocation/revocations.js';
import { Successors } from '../successors.js';
import { Withdrawals } from '../withdraw/withdrawals.js';
import { crlReasons, type RevokeRequest } from './revoke.schema.js';

/** Reasons for which a certificate is revoked even while it is served. */
const compromised: ReadonlySet<RevokeRequest['crlReason']> = new Set(['keyCompromise', 'cACompromise', 'aACompromise']);

/**
 * A revocation to store. `reason` is a CRLReason code. `replace`: whether a successor is issued; undefined: if the
 * certificate rotates and is deployed.
 */
export interface Revoked {
  reason: number;
  comments: string | null;
  at: Date;
  /** As in RFC 5280 §5.3.2. */
  invalidityDate?: Date | null;
  replace?: boolean;
}

/** Applies a revocation to a certificate, its successor and its deliveries. Also for revocations that are imported. */
@Injectable()
export class RevokeConsequences {
  constructor(
    private readonly certificates: CertificateRepository,
    private readonly deploying: Deploying,
    private readonly successors: Successors,
    private readonly planning: Planning,
    private readonly orders: OrderRepository,
    private readonly withdrawals: Withdrawals,
    private readonly revocations: Revocations,
  ) {}

  /**
   * Marks the certificate as revoked, requests its successor, and removes it from its destinations once that has
   * arrived. Its predecessors become active again; then it needs no successor.
   */
  async revoke(tx: Tx, id: number, given: Revoked): Promise<Certificate> {
    const { reason, comments, at, replace, invalidityDate } = given;
    const isCompromised = reason === crlReasons.keyCompromise;
    const one = await this.certificates.get(tx, id);
    // Locked so that a certificate that is stored with the same key at this moment is renewed too, or refused.
    if (isCompromised) await lockKeys(tx, [one.spkiSha256]);
    await this.certificates.lockLines(tx, [id, ...(await this.certificates.issuedWithKeyOf(tx, one))]);
    const placeIds = await this.deploying.wantedAt(tx, id);
    const revoked = await this.certificates.change(tx, id, (certificate) => {
      const isInUse = certificate.state === 'issued' && certificate.rotation && placeIds.length > 0;
      certificate.revoke(reason, comments, at, replace ?? isInUse);
      return certificate;
    });
    await this.publish(tx, revoked, invalidityDate);
    const reinstatedAt = await this.successors.withdrawn(tx, revoked);
    await this.deploying.withdraw(tx, id);
    if (revoked.toReplace) {
      const isReinstated = placeIds.length > 0 && placeIds.every((placeId) => reinstatedAt.includes(placeId));
      await this.replace(tx, revoked, isReinstated);
    }
    if (isCompromised) await this.replaceOthers(tx, revoked);
    return revoked;
  }

  /** Where the key of the CA is here, its CRL and OCSP answers say so. */
  async publish(tx: Tx, certificate: Certificate, invalidityDate: Date | null = null): Promise<void> {
    const { authorityId, bodyPem, revocationReason, revokedAt } = certificate;
    if (authorityId === null || bodyPem === null || revokedAt === null) return;
    const issued = { authorityId, certificatePem: bodyPem };
    await this.revocations.add(tx, issued, { reason: revocationReason ?? 0, revokedAt, invalidityDate });
  }

  /** Makes the successor due now. Retires the certificate instead when its reinstated predecessors serve all places. */
  private async replace(tx: Tx, revoked: Certificate, isReinstated: boolean): Promise<void> {
    await this.planning.planRenewal(tx, revoked);
    const successor = await this.certificates.findSuccessor(tx, revoked.id);
    const isUnderWay = successor !== null && successor.bodyPem === null;
    if (isReinstated || (revoked.nextRenewalAt === null && !isUnderWay)) revoked.retire();
    await tx.save(revoked);
    if (revoked.nextRenewalAt !== null) await rotateCertificate.enqueue(tx, { certificateId: revoked.id });
  }

  /** Makes the other certificates with the compromised key due for renewal. */
  private async replaceOthers(tx: Tx, revoked: Certificate): Promise<void> {
    for (const id of await this.certificates.issuedWithKeyOf(tx, revoked)) {
      await this.certificates.change(tx, id, async (other) => {
        await this.planning.planRenewal(tx, other);
        if (other.nextRenewalAt !== null) await rotateCertificate.enqueue(tx, { certificateId: id });
      });
    }
  }

  /** Cancels a request, its order at the CA, and its deliveries. */
  async cancel(tx: Tx, id: number): Promise<void> {
    await this.certificates.lockLines(tx, [id]);
    const cancelled = await this.certificates.change(tx, id, (certificate) => {
      certificate.cancel();
      return certificate;
    });
    const order = await this.orders.find(tx, id);
    if (order) {
      await this.withdrawals.endOrder(tx, cancelled, order);
      await this.orders.save(tx, order);
    }
    await this.deploying.stopOf(tx, id);
    await this.successors.withdrawn(tx, cancelled);
  }
}

/** Stores a revocation, with its audit event and the withdrawal at the CA. */
@Injectable()
export class RevokeRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly consequences: RevokeConsequences,
    private readonly withdrawals: Withdrawals,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /** Stores that a request is cancelled. */
  async cancelled(actor: Actor, id: number, note?: string): Promise<void> {
    await this.db.write(async (tx) => {
      await this.consequences.cancel(tx, id);
      await this.audit.record(tx, actor, {
        action: 'certificate.cancelled',
        targetType: 'certificate',
        targetId: id,
        after: { note },
      });
    });
  }

  /** `all` are the rows of one certificate. The CA of the first row is told. */
  async revoked(actor: Actor, all: readonly [Certificate, ...Certificate[]], request: RevokeRequest): Promise<void> {
    const [{ id, authorityId, fullChainPem, externalId }] = all;
    await this.db.write(async (tx) => {
      for (const one of all) await this.revokedOne(tx, actor, one.id, request);
      await this.withdrawals.revoke(
        tx,
        { id, authorityId },
        { chainPem: splitCertificates(fullChainPem), externalId },
        { reason: crlReasons[request.crlReason], comments: request.comments },
      );
    });
  }

  private async revokedOne(
    tx: Tx,
    actor: Actor,
    id: number,
    { crlReason, comments, invalidityDate, replace }: RevokeRequest,
  ): Promise<void> {
    const revoked = await this.consequences.revoke(tx, id, {
      reason: crlReasons[crlReason],
      comments: comments ?? null,
      at: this.clock.now(),
      invalidityDate,
      replace,
    });
    await this.notices.revoked(tx, revoked);
    await this.audit.record(tx, actor, {
      action: 'certificate.revoked',
      targetType: 'certificate',
      targetId: id,
      after: { crlReason, comments, invalidityDate, replaced: revoked.toReplace },
    });
  }
}

/** Checks the right to revoke a certificate. */
@Injectable()
export class RevokeRights {
  constructor(
    private readonly access: CertificateAccess,
    private readonly certificates: CertificateRepository,
    private readonly use: CertificateUse,
    private readonly mailLimit: MailLimit,
  ) {}

  /**
   * Returns all rows of the certificate: its issuer has only one, so the actor needs a right to each row. Throws
   * Problem `forbidden`, also without `certificate:revoke`, which the actor of a job may have lost since, while the
   * certificate is served (unless its key is compromised) and when the actor may not issue the requested successor;
   * `wrong-state`; `conflict` when its issuer is unknown.
   */
  async demand(
    tx: Tx,
    actor: Actor,
    id: number,
    { crlReason, replace }: RevokeRequest,
  ): Promise<[Certificate, ...Certificate[]]> {
    if (!actor.permissions.has('certificate:revoke'))
      throw new Problem('forbidden', lacking('certificate:revoke', actor));
    const certificate = await this.certificates.get(tx, id);
    await this.access.demandWrite(tx, actor, certificate);
    if (isOpen(certificate)) return [certificate];
    if (!isRevocable(certificate))
      throw new Problem(
        'wrong-state',
        `Certificate ${certificate.name} is ${certificate.state}; it cannot be revoked.`,
      );
    if (certificate.authorityId === null)
      throw new Problem('conflict', 'The issuer of an imported certificate is not known here: revoke it there.');
    if (replace) await this.demandReplace(actor, certificate);
    const twins = await this.certificates.twinsOf(tx, certificate);
    for (const twin of twins) await this.access.demandWrite(tx, actor, twin);
    if (!compromised.has(crlReason)) await this.demandUnserved(tx, [certificate, ...twins]);
    return [certificate, ...twins.filter(isRevocable)];
  }

  /** Counts the mails that the revocation of one certificate causes. Throws Problem `too-many-requests`. */
  countMails(actor: Actor, certificates: readonly Certificate[]): void {
    for (const { owner } of certificates) this.mailLimit.demand(actor, owner);
  }

  private async demandReplace(actor: Actor, certificate: Certificate): Promise<void> {
    if (!actor.permissions.has('certificate:issue'))
      throw new Problem('forbidden', 'To have a certificate replaced needs certificate:issue.');
    await this.access.demandIssue(actor, certificate);
  }

  private async demandUnserved(tx: Tx, certificates: readonly [Certificate, ...Certificate[]]): Promise<void> {
    const served = await this.use.servedAt(
      tx,
      certificates.map(({ id }) => id),
    );
    if (served === null) return;
    throw new Problem(
      'forbidden',
      `Certificate ${certificates[0].name} is served at ${served}: its clients would be cut off. Replace it ` +
        'there first and have the source look again; with the reason keyCompromise it is revoked nevertheless.',
    );
  }
}

/**
 * Revokes a certificate: here at once, and at its CA by a job that repeats until the CA confirms. A request is
 * cancelled.
 */
@Injectable()
export class RevokeService {
  constructor(
    private readonly db: Database,
    private readonly authorities: Authorities,
    private readonly rights: RevokeRights,
    private readonly record: RevokeRecord,
  ) {}

  /** Throws like `prepare`, and Problem `too-many-requests`. */
  async revoke(actor: Actor, id: number, request: RevokeRequest): Promise<void> {
    await this.revokeAs(actor, id, request, (all) => this.rights.countMails(actor, all));
  }

  /** For a caller that has counted the mails of all its certificates as one request. Throws like `prepare`. */
  async revokeCounted(actor: Actor, id: number, request: RevokeRequest): Promise<void> {
    await this.revokeAs(actor, id, request, () => undefined);
  }

  private async revokeAs(
    actor: Actor,
    id: number,
    request: RevokeRequest,
    count: (all: readonly Certificate[]) => void,
  ): Promise<void> {
    const all = await this.demand(actor, id, request);
    if (isOpen(all[0])) return this.record.cancelled(actor, id, request.comments ?? undefined);
    count(all);
    await this.record.revoked(actor, all, request);
  }

  /**
   * Checks everything that `revoke` demands, and changes nothing. Throws Problem `forbidden`, `wrong-state` when
   * nothing can be revoked, or `conflict`; PluginError `misconfigured` when the issuer cannot revoke.
   */
  async prepare(actor: Actor, id: number, request: RevokeRequest): Promise<void> {
    await this.demand(actor, id, request);
  }

  private async demand(actor: Actor, id: number, request: RevokeRequest): Promise<[Certificate, ...Certificate[]]> {
    const all = await this.rights.demand(this.db.single, actor, id, request);
    const [{ authorityId }] = all;
    if (!isOpen(all[0]) && authorityId !== null) await this.authorities.demandRevoking(authorityId);
    return all;
  }
}

function isRevocable({ state }: Certificate): boolean {
  return state === 'issued' || state === 'superseded';
}
