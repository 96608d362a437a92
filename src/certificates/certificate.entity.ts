import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { Problem } from '../platform/http/problem.js';
import { retryAt } from '../platform/retry.js';
import { Sealed, sealedColumn } from '../platform/secrets/sealed.js';
import type { RenewalPlan } from '../rotation/due.js';
import type { Failure } from './failure.js';
import type { AnswerFacts } from './issued-facts.js';
import type { StoredTerms } from './terms.js';

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

/** The moves that exist. A state that is missing on the left is final. */
const moves: Partial<Record<CertificateState, readonly CertificateState[]>> = {
  requested: ['pending', 'issued', 'failed', 'cancelled'],
  pending: ['issued', 'failed', 'cancelled'],
  issued: ['superseded', 'revoked'],
  superseded: ['revoked', 'issued'],
};

/** True where it renews by the rights of its owner's role. */
export function ownerVouches({ owner, vouchingRole }: Pick<Certificate, 'owner' | 'vouchingRole'>): boolean {
  return vouchingRole?.toLowerCase() === owner.toLowerCase();
}

/**
 * How its owner has shown to hold the private key: it is kept here or was certified here (2), a CSR came with an upload
 * (1), not at all (0). What is certified here came with its key or a CSR.
 */
export function keyProofOf({
  sealedKey = null,
  csrPem = null,
  authorityId = null,
}: Partial<Pick<Certificate, 'sealedKey' | 'csrPem' | 'authorityId'>>): 0 | 1 | 2 {
  if (sealedKey !== null || (csrPem !== null && authorityId !== null)) return 2;
  return csrPem === null ? 0 : 1;
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
  /** Common name, or the first SAN. */
  @Column('text') commonName: string;
  @Column('text') distinguishedName: string;
  @Column('text', { nullable: true }) bodyPem: string | null;
  /** Issuers in order, concatenated PEM. */
  @Column('text', { nullable: true }) chainPem: string | null;
  @Column('text', { nullable: true }) csrPem: string | null;
  /** Binds the sealed key to this row: part of its associated data. */
  @Column('uuid') secretId: string;
  @Column('bytea', { nullable: true, transformer: sealedColumn }) sealedKey: Sealed | null;
  @Column('text') issuer: string;
  @Column('text', { nullable: true }) issuerSha256: string | null;
  @Column('text', { nullable: true }) serialHex: string | null;
  @Column('text', { nullable: true }) sha256: string | null;
  @Column('text') spkiSha256: string;
  @Column('text') keyType: string;
  @Column('integer') bits: number;
  /** Why anybody can find its private key; known of what was imported or discovered. */
  @Column('text', { nullable: true }) keyWeakness: string | null;
  @Column('text', { nullable: true }) signingAlgorithm: string | null;
  @Column('timestamptz') notBefore: Date;
  @Column('timestamptz') notAfter: Date;
  @Column('integer') sanCount: number;
  /** What is in it, and what was approved: a renewal asks for that. */
  @Column('jsonb') terms: StoredTerms;
  @Column('boolean') notify: boolean;
  /** Whether the default subscriptions of its owner and the security team hear of it; `setSubscriptions` writes it. */
  @Column({ type: 'boolean', update: false }) readonly hearsDefaults: boolean;
  @Column('boolean') rotation: boolean;
  @Column('integer') rotationPolicyId: number;
  /**
   * The name of the role by whose rights on names it renews, beside those of its creator: the owner's where a holder
   * asked for it or accepted it, else a former owner's; null for none.
   */
  @Column('text', { nullable: true }) vouchingRole: string | null;
  @Column('integer', { nullable: true }) renewsId: number | null;
  @Column('text', { nullable: true }) requestKey: string | null;
  /** Of the request that came with the key: another request under the same key is a mistake of the client. */
  @Column('text', { nullable: true }) requestSha256: string | null;
  @Column('text', { nullable: true }) externalId: string | null;
  @Column('integer', { nullable: true }) lemurId: number | null;
  @Column('text', { nullable: true }) orderRef: string | null;
  @Column('integer') attempts: number;
  /** When its issuer last answered, or did not. */
  @Column('timestamptz', { nullable: true }) answeredAt: Date | null;
  @Column('text', { nullable: true }) fault: string | null;
  @Column('text', { nullable: true }) faultDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextAttemptAt: Date | null;
  @Column('text', { nullable: true }) renewalReason: string | null;
  @Column('integer') renewalAttempts: number;
  @Column('text', { nullable: true }) renewalFault: string | null;
  @Column('text', { nullable: true }) renewalDetail: string | null;
  @Column('timestamptz', { nullable: true }) nextRenewalAt: Date | null;
  @Column('timestamptz', { nullable: true }) nextNoticeAt: Date | null;
  @Column('timestamptz', { nullable: true }) revokedAt: Date | null;
  @Column('integer', { nullable: true }) revocationReason: number | null;
  @Column('text', { nullable: true }) revocationComments: string | null;
  /** Revoked, and a successor is to be issued; until then `notify` and `rotation` stay as the successor gets them. */
  @Column('boolean') toReplace: boolean;
  @Column('timestamptz', { nullable: true }) supersededAt: Date | null;
  /**
   * Superseded by one that nothing here has put in place: then this one may still be served, and its end is warned
   * about.
   */
  @Column('boolean') awaitsDeployment: boolean;
  @Column('timestamptz', { nullable: true }) deletedAt: Date | null;
  /** Lists leave it out unless it is asked for: it ended long ago, which a sweep finds, or is deleted. */
  @Column('boolean') retired: boolean;
  @Column('timestamptz') createdAt: Date;

  /** Leaf first, then its issuers. Only issued certificates have one. */
  get fullChainPem(): string {
    if (this.bodyPem === null)
      throw new Problem('wrong-state', `Certificate ${this.name} is ${this.state}: there is nothing to deliver yet.`);
    return this.bodyPem + (this.chainPem ?? '');
  }

  /** An issuer has the order and is asked again at `nextAt`. */
  awaitOrder(orderRef: string, nextAt: Date, now: Date): void {
    if (this.state !== 'pending') this.become('pending');
    Object.assign(this, { orderRef, nextAttemptAt: nextAt, answeredAt: now });
    this.clearFault();
  }

  /** An answer came that failed a check: a person decides until `deadlineAt`. */
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

  /** The order did not go through this time. What waiting cannot mend ends it; the rest is tried again later. */
  recordFailure(failure: Failure, now: Date, final: boolean): void {
    this.attempts += 1;
    Object.assign(this, { answeredAt: now, fault: failure.fault, faultDetail: failure.detail });
    if (final) this.become('failed');
    this.nextAttemptAt = final ? null : retryAt(now, this.attempts, { hintS: failure.retryAfterS });
  }

  /** The issuer is asked again now; earlier failures no longer count for the next wait. */
  retry(now: Date): void {
    Object.assign(this, { attempts: 0, nextAttemptAt: now });
  }

  cancel(): void {
    this.become('cancelled');
    this.nextAttemptAt = null;
  }

  /** True while people are to be told that it ends. */
  get watched(): boolean {
    return (
      this.notify &&
      this.deletedAt === null &&
      (this.state === 'issued' || (this.state === 'superseded' && this.awaitsDeployment))
    );
  }

  /**
   * Its successor is in place wherever it has to be. `unplaced`: there is no such place, so only a person can put it
   * where the old one is served.
   */
  supersede(now: Date, unplaced: boolean): void {
    const { nextNoticeAt } = this;
    this.become('superseded');
    this.supersededAt = now;
    this.settle();
    this.awaitsDeployment = unplaced;
    if (this.watched) this.nextNoticeAt = nextNoticeAt;
  }

  /** Its successor, which had no destination when it superseded this one, has been deployed. */
  recordSuccessorDeployed(): void {
    this.awaitsDeployment = false;
    this.settle();
  }

  /**
   * It leaves lists, rotation and notices; nothing of it is lost. Throws Problem `precondition-failed` when it is
   * deleted.
   */
  delete(now: Date): void {
    if (this.deletedAt !== null)
      throw new Problem('precondition-failed', `Certificate ${this.name} is deleted already.`);
    this.settle();
    Object.assign(this, { deletedAt: now, retired: true, notify: false, rotation: false, renewalReason: 'deleted' });
  }

  /** It is in sight again, and its end is warned about. */
  restore(): void {
    if (this.deletedAt === null) throw new Problem('wrong-state', `Certificate ${this.name} is not deleted.`);
    Object.assign(this, { deletedAt: null, retired: false, notify: this.state !== 'revoked' });
  }

  /** `toReplace`: a successor is to be issued. Otherwise it retires. */
  revoke(reason: number, comments: string | null, now: Date, toReplace = false): void {
    this.become('revoked');
    this.revokedAt = now;
    this.revocationReason = reason;
    this.revocationComments = comments;
    this.settle();
    if (toReplace) this.toReplace = true;
    else this.retire();
  }

  /** True while a successor can be asked for. */
  get renewable(): boolean {
    return this.state === 'issued' || this.toReplace;
  }

  /** It is revoked, and nothing is to be issued for it any more. */
  retire(): void {
    Object.assign(this, { toReplace: false, notify: false, rotation: false, renewalReason: this.state });
  }

  /**
   * Writes the plan into the columns that the sweep reads. A failing renewal does not come earlier than its next
   * attempt.
   */
  planNext(plan: RenewalPlan): void {
    const retry = this.renewalAttempts > 0 ? this.nextRenewalAt : null;
    this.renewalReason = plan.obstacle ?? plan.reason;
    this.nextRenewalAt = plan.at !== null && retry !== null && retry > plan.at ? retry : plan.at;
  }

  /**
   * A renewal did not go through. While it still lives, the wait is never longer than a fifth of what is left of its
   * lifetime.
   */
  recordRenewalFailure(failure: Failure, now: Date): void {
    this.renewalAttempts += 1;
    this.renewalFault = failure.fault;
    this.renewalDetail = failure.detail;
    const left = this.notAfter.getTime() - now.getTime();
    const atMostMs = left > 0 ? Math.max(left / 5, 10_000) : undefined;
    this.nextRenewalAt = retryAt(now, this.renewalAttempts, { hintS: failure.retryAfterS, atMostMs });
  }

  /** Its successor has been asked for, but the issuer does not deliver: that is tried again by itself. */
  recordDelay(failure: Failure): void {
    this.renewalAttempts += 1;
    this.renewalFault = failure.fault;
    this.renewalDetail = failure.detail;
  }

  /** It belongs to who has shown its private key from now on, with the settings and what else came with that. */
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

  /** Another role vouches for its names from now on: what stood in the way of its renewal is tried anew. */
  vouch(role: string): void {
    this.vouchingRole = role;
    this.recordRenewed();
  }

  /**
   * A successor is asked for. Until it is issued, earlier failures still count: each of them makes the next wait
   * longer.
   */
  recordRenewal(): void {
    this.renewalReason = 'renewal-under-way';
    this.nextRenewalAt = null;
  }

  /** The successor is issued: nothing more to do for this one but to wait until that is in place. */
  recordRenewed(): void {
    this.renewalAttempts = 0;
    this.renewalFault = null;
    this.renewalDetail = null;
    if (this.toReplace) this.retire();
  }

  /** Another certificate, which is no renewal of it, replaces it: it has no more warnings and no renewal. */
  recordReplaced(): void {
    this.notify = false;
    this.nextNoticeAt = null;
    this.nextRenewalAt = null;
    if (this.state === 'issued') this.renewalReason = 'replaced';
  }

  /**
   * Nothing replaces it any more: it renews and is warned about again. Throws Problem `wrong-state` when its successor
   * has been deployed.
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
  }

  private settle(): void {
    this.nextRenewalAt = null;
    this.nextNoticeAt = null;
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
