import { Column, Entity, PrimaryGeneratedColumn, VirtualColumn } from 'typeorm';
import { certificateColumn, csrColumn } from '../platform/db/der-column.js';
import { Problem } from '../platform/http/problem.js';
import { retryAt } from '../platform/retry.js';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';
import type { RenewalPlan } from '../rotation/due.js';
import { chainOf } from './certificate-chain.js';
import type { Failure } from './failure.js';
import { orderRetryBounds } from './failure.js';
import type { AnswerFacts } from './issued-facts.js';
import type { StoredTerms } from './terms.js';

/** From request to end; `moves` has the allowed changes. */
export const certificateStates = [
  'requested',
  'pending',
  'issued',
  'superseded',
  'revoked',
  'failed',
  'cancelled',
] as const;
export type CertificateState = (typeof certificateStates)[number];

/** The allowed changes of state. A state without an entry is final. */
const moves: Partial<Record<CertificateState, readonly CertificateState[]>> = {
  requested: ['pending', 'issued', 'failed', 'cancelled'],
  pending: ['issued', 'failed', 'cancelled'],
  issued: ['superseded', 'revoked'],
  superseded: ['revoked', 'issued'],
};

/** True when the certificate renews with the rights of its owner's role. */
export function ownerVouches({ owner, vouchingRole }: Pick<Certificate, 'owner' | 'vouchingRole'>): boolean {
  return vouchingRole?.toLowerCase() === owner.toLowerCase();
}

/** One certificate from its request to its end. The only place where its state changes. */
@Entity('certificate')
export class Certificate {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', type: 'integer' }) readonly id: number;
  @Column('text') state: CertificateState;
  @Column('text') name: string;
  @Column('text') owner: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('integer', { nullable: true }) creatorId: number | null;
  @Column('integer', { nullable: true }) authorityId: number | null;
  /** The profile that it was issued by, and its version; null without one. */
  @Column('integer', { nullable: true }) profileId: number | null;
  @Column('integer', { nullable: true }) profileVersion: number | null;
  /** The common name, or the first subject alternative name. */
  @Column('text') commonName: string;
  @Column('text') distinguishedName: string;
  @Column('bytea', { name: 'body_der', nullable: true, transformer: certificateColumn }) bodyPem: string | null;
  @Column('integer', { nullable: true }) chainId: number | null;
  /** The issuers in order, as concatenated PEM. `CertificateRepository.change` stores a new one as `chainId`. */
  @VirtualColumn('text', { query: chainOf }) chainPem: string | null;
  @Column('bytea', { name: 'csr_der', nullable: true, transformer: csrColumn }) csrPem: string | null;
  /** Part of the associated data of the sealed key, so that the key opens for this row only. */
  @Column('uuid') secretId: string;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedKey: Sealed | null;
  @Column('text') issuer: string;
  @Column('text', { nullable: true }) issuerSha256: string | null;
  @Column('text', { nullable: true }) serialHex: string | null;
  @Column('text', { nullable: true }) sha256: string | null;
  @Column('text') spkiSha256: string;
  @Column('text') keyType: string;
  @Column('integer') bits: number;
  /** Why the private key is easy to find; set for imported and discovered certificates only. */
  @Column('text', { nullable: true }) keyWeakness: string | null;
  @Column('text', { nullable: true }) signingAlgorithm: string | null;
  @Column('timestamptz') notBefore: Date;
  @Column('timestamptz') notAfter: Date;
  @Column('integer') sanCount: number;
  /** The terms in the certificate, and the approved ones, which a renewal requests. */
  @Column('jsonb') terms: StoredTerms;
  @Column('text', { array: true }) labels: string[];
  @Column('boolean') notify: boolean;
  /** Whether the default subscriptions of its owner and of the security team cover it. `setSubscriptions` writes it. */
  @Column({ type: 'boolean', update: false }) readonly hearsDefaults: boolean;
  /** The role of the authority's owner when it was issued, which may change it but gets no key. */
  @Column({ type: 'integer', nullable: true, update: false }) readonly issuerRoleId: number | null;
  @Column('boolean') rotation: boolean;
  @Column('integer') rotationPolicyId: number;
  /**
   * The name of the role whose rights on names its renewals use besides those of its creator: the owner's role, when a
   * holder of it requested or accepted the certificate, or the role of a former owner; null for none.
   */
  @Column('text', { nullable: true }) vouchingRole: string | null;
  @Column('integer', { nullable: true }) renewsId: number | null;
  @Column('text', { nullable: true }) requestKey: string | null;
  /** The hash of the request that had this key. Another request with the same key is a mistake of the client. */
  @Column('text', { nullable: true }) requestSha256: string | null;
  @Column('text', { nullable: true }) externalId: string | null;
  @Column('integer', { nullable: true }) lemurId: number | null;
  @Column('text', { nullable: true }) orderRef: string | null;
  @Column('integer') attempts: number;
  /** When the issuer was last asked, whether it answered or not. */
  @Column('timestamptz', { nullable: true }) answeredAt: Date | null;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  @Column('text', { nullable: true }) renewalReason: string | null;
  @Column('integer') renewalAttempts: number;
  @Column('text', { nullable: true }) renewalFault: string | null;
  @Column('text', { nullable: true }) renewalDetail: string | null;
  /** After a failed renewal, not before this time; null when none has failed. */
  @Column('timestamptz', { nullable: true }) renewalRetryAt: Date | null;
  @Column('timestamptz', { nullable: true }) nextRenewalAt: Date | null;
  @Column('timestamptz', { nullable: true }) revokedAt: Date | null;
  @Column('integer', { nullable: true }) revocationReason: number | null;
  @Column('text', { nullable: true }) revocationComments: string | null;
  /**
   * Revoked, and a successor must be issued. Until then `notify` and `rotation` keep the values that the successor
   * gets.
   */
  @Column('boolean') toReplace: boolean;
  @Column('timestamptz', { nullable: true }) supersededAt: Date | null;
  /**
   * Superseded by a certificate that no destination deploys: this one may still be served, so its expiry notices go on.
   */
  @Column('boolean') awaitsDeployment: boolean;
  @Column('timestamptz', { nullable: true }) deletedAt: Date | null;
  /** Lists leave it out unless a query asks for it: it expired long ago (a sweep sets this) or is deleted. */
  @Column('boolean') retired: boolean;
  @Column('timestamptz') createdAt: Date;

  /** The certificate chain, leaf first. Throws Problem `wrong-state` before the certificate is issued. */
  get fullChainPem(): string {
    if (this.bodyPem === null)
      throw new Problem('wrong-state', `Certificate ${this.name} is ${this.state}: there is nothing to deliver yet.`);
    return this.bodyPem + (this.chainPem ?? '');
  }

  /** The issuer has accepted the order, and is asked again at `nextAt`. */
  awaitOrder(orderRef: string, nextAt: Date, now: Date): void {
    if (this.state !== 'pending') this.become('pending');
    Object.assign(this, { orderRef, nextAttemptAt: nextAt, answeredAt: now });
    this.clearFault();
  }

  /** The issuer's answer failed a check. A person decides about it until `deadlineAt`. */
  dispute(reason: string, deadlineAt: Date, now: Date): void {
    if (this.state !== 'pending') this.become('pending');
    Object.assign(this, { nextAttemptAt: deadlineAt, answeredAt: now, fault: 'disputed', faultDetail: reason });
  }

  /** The certificate is issued. */
  complete(facts: AnswerFacts): void {
    this.become('issued');
    Object.assign(this, facts);
    this.nextAttemptAt = null;
    this.clearFault();
  }

  /**
   * An attempt failed. `final`: a retry cannot help, so the certificate is failed; otherwise there is a next attempt.
   */
  recordFailure(failure: Failure, now: Date, final: boolean): void {
    this.attempts += 1;
    Object.assign(this, { answeredAt: now, fault: failure.fault, faultDetail: failure.detail });
    if (final) this.become('failed');
    this.nextAttemptAt = final ? null : retryAt(now, this.attempts, orderRetryBounds(failure));
  }

  /** The issuer is asked again now, and the retry delay starts anew. */
  retry(now: Date): void {
    Object.assign(this, { attempts: 0, nextAttemptAt: now });
  }

  cancel(): void {
    this.become('cancelled');
    this.nextAttemptAt = null;
  }

  /** True while notices of its expiry are sent. */
  get watched(): boolean {
    return (
      this.notify &&
      this.deletedAt === null &&
      (this.state === 'issued' || (this.state === 'superseded' && this.awaitsDeployment))
    );
  }

  /**
   * The successor is deployed at every destination. `unplaced`: there is no destination, so that only a person can
   * install the successor.
   */
  supersede(now: Date, unplaced: boolean): void {
    this.become('superseded');
    this.supersededAt = now;
    this.settle();
    this.awaitsDeployment = unplaced;
  }

  /** The successor had no destination when it superseded this one. It has been deployed now. */
  recordSuccessorDeployed(): void {
    this.awaitsDeployment = false;
    this.settle();
  }

  /**
   * Removes it from lists, rotation and notices; the row and the key are kept. Throws Problem `precondition-failed`
   * when it is deleted already.
   */
  delete(now: Date): void {
    if (this.deletedAt !== null)
      throw new Problem('precondition-failed', `Certificate ${this.name} is deleted already.`);
    this.settle();
    Object.assign(this, { deletedAt: now, retired: true, notify: false, rotation: false, renewalReason: 'deleted' });
  }

  /** Undoes `delete`: it is in lists again and its expiry notices are sent. Rotation stays off. */
  restore(): void {
    if (this.deletedAt === null) throw new Problem('wrong-state', `Certificate ${this.name} is not deleted.`);
    Object.assign(this, { deletedAt: null, retired: false, notify: this.state !== 'revoked' });
  }

  /** `toReplace`: a successor must be issued. Otherwise it retires. */
  revoke(reason: number, comments: string | null, now: Date, toReplace = false): void {
    this.become('revoked');
    this.revokedAt = now;
    this.revocationReason = reason;
    this.revocationComments = comments;
    this.settle();
    if (toReplace) this.toReplace = true;
    else this.retire();
  }

  /** True while a successor may be requested. */
  get renewable(): boolean {
    return this.state === 'issued' || this.toReplace;
  }

  /** For a revoked certificate that gets no successor any more. */
  retire(): void {
    Object.assign(this, { toReplace: false, notify: false, rotation: false, renewalReason: this.state });
  }

  /** Stores the plan in the columns that the sweep reads. After a failed renewal, not before its next attempt. */
  planNext(plan: RenewalPlan): void {
    if (plan.at === null) this.renewalRetryAt = null;
    const retry = this.renewalRetryAt;
    this.renewalReason = plan.obstacle ?? plan.reason;
    this.nextRenewalAt = plan.at !== null && retry !== null && retry > plan.at ? retry : plan.at;
  }

  /** A renewal failed. Before the expiry, the retry delay is at most a fifth of the remaining lifetime. */
  recordRenewalFailure(failure: Failure, now: Date): void {
    this.renewalAttempts += 1;
    this.renewalFault = failure.fault;
    this.renewalDetail = failure.detail;
    const left = this.notAfter.getTime() - now.getTime();
    const atMostMs = left > 0 ? Math.max(left / 5, 10_000) : undefined;
    this.renewalRetryAt = retryAt(now, this.renewalAttempts, { hintS: failure.retryAfterS, atMostMs });
    this.nextRenewalAt = this.renewalRetryAt;
  }

  /** A successor is requested, but its issuer fails. The order of the successor is retried, not the renewal. */
  recordDelay(failure: Failure): void {
    this.renewalAttempts += 1;
    this.renewalFault = failure.fault;
    this.renewalDetail = failure.detail;
  }

  /** Gives it to the owner who has proved to have the private key, with the settings and the parts of the upload. */
  takeOver(upload: Partial<Certificate>): void {
    if (this.deletedAt !== null) this.restore();
    const { owner, creatorId, vouchingRole, description, notify, rotation, rotationPolicyId } = upload;
    const { sealedKey, secretId, csrPem, chainPem, authorityId, terms, externalId } = upload;
    Object.assign(this, { owner, creatorId, vouchingRole, description, rotationPolicyId });
    if (this.state !== 'revoked') Object.assign(this, { notify, rotation });
    // A sealed key is bound to its secretId.
    if (sealedKey) Object.assign(this, { sealedKey, secretId });
    if (csrPem) this.csrPem = csrPem;
    if (chainPem) this.chainPem = chainPem;
    if (authorityId) Object.assign(this, { authorityId, terms, externalId: externalId ?? this.externalId });
    this.recordRenewed();
  }

  /** The authority that issued it looks after it from now on. */
  adopt(authorityId: number, terms: StoredTerms): void {
    Object.assign(this, { authorityId, terms });
    this.recordRenewed();
  }

  /** Renews with the rights of another role from now on. Earlier failures are forgotten. */
  vouch(role: string): void {
    this.vouchingRole = role;
    this.recordRenewed();
  }

  /** A successor is requested. Earlier failures count until it is issued, so that retry delays keep growing. */
  recordRenewal(): void {
    this.renewalReason = 'renewal-under-way';
    this.nextRenewalAt = null;
    this.renewalRetryAt = null;
  }

  /** The successor is issued. What remains is its deployment. */
  recordRenewed(): void {
    this.renewalAttempts = 0;
    this.renewalRetryAt = null;
    this.renewalFault = null;
    this.renewalDetail = null;
    if (this.toReplace) this.retire();
  }

  /** Another certificate, which is not a renewal, replaces it: no more notices and no renewal. */
  recordReplaced(): void {
    this.notify = false;
    this.nextRenewalAt = null;
    if (this.state === 'issued') this.renewalReason = 'replaced';
  }

  /**
   * Undoes `replaces`: it renews and is watched again. Throws Problem `wrong-state` when its successor has been
   * deployed.
   */
  reinstate(): void {
    if (this.state === 'superseded' && this.awaitsDeployment) {
      this.become('issued');
      this.supersededAt = null;
      this.awaitsDeployment = false;
    }
    if (this.state !== 'issued')
      throw new Problem('wrong-state', `Certificate ${this.name} is ${this.state}; it does not come back.`);
    this.notify = true;
    this.renewalAttempts = 0;
    this.renewalRetryAt = null;
  }

  private settle(): void {
    this.nextRenewalAt = null;
    this.renewalRetryAt = null;
    this.renewalReason = this.state;
  }

  private clearFault(): void {
    Object.assign(this, { attempts: 0, fault: null, faultDetail: null });
  }

  private become(to: CertificateState): void {
    if (!moves[this.state]?.includes(to)) {
      throw new Problem('wrong-state', `Certificate ${this.name} is ${this.state}; it cannot become ${to}.`);
    }
    this.state = to;
  }
}
