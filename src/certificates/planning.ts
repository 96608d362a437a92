import { Injectable } from '@nestjs/common';
import { canMakeKey } from '../pki/key.js';
import type { Tx } from '../platform/db/database.js';
import { Clock } from '../platform/clock.js';
import {
  beginsAt,
  noSuccession,
  planRenewal,
  type RenewalPlan,
  type RenewalRule,
  type RenewalTimes,
  type SuccessionFacts,
} from '../rotation/due.js';
import type { RotationPolicy } from '../rotation/policy.entity.js';
import { PolicyRepository } from '../rotation/policy.repository.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';
import { DefaultSubscriptions } from './notify/default-subscriptions.js';
import { nextWarningAt } from './notify/due-warnings.js';
import { RenewalInfoRepository } from './rotate/renewal-info.repository.js';
import { WaitingRepository } from './rotate/waiting.repository.js';
import { CertificateSubscriptionRepository } from './notify/certificate-subscription.repository.js';

/** When and why a certificate renews, or why not, its rotation policy, and what decides how long it can be held. */
export interface PlanWithPolicy {
  plan: RenewalPlan;
  policy: RotationPolicy;
  times: RenewalTimes;
}

/**
 * Plans a certificate: stores when the sweeps renew it and warn about it. Call it after every change that this depends
 * on.
 */
@Injectable()
export class Planning {
  constructor(
    private readonly clock: Clock,
    private readonly policies: PolicyRepository,
    private readonly certificates: CertificateRepository,
    private readonly subscriptions: CertificateSubscriptionRepository,
    private readonly defaults: DefaultSubscriptions,
    private readonly waiting: WaitingRepository,
    private readonly renewalInfos: RenewalInfoRepository,
  ) {}

  /**
   * Plans the renewal, which the caller saves with the locked entity, and the next warning. Warnings follow the owner
   * and the links as `tx` has them. A watched certificate without an active warning gets the default subscriptions of
   * its owner. From now on the CA of an issued certificate is asked when to renew it.
   */
  async plan(tx: Tx, certificate: Certificate): Promise<void> {
    await this.planRenewal(tx, certificate);
    if (certificate.state === 'issued' && certificate.authorityId !== null)
      await this.renewalInfos.watch(tx, [certificate], this.clock.now());
    const { notBefore, notAfter, watched } = certificate;
    // No new warning after the expiry; a warning that is due stays due.
    if (watched && notAfter <= this.clock.now()) return;
    const stored = await this.subscriptions.of(tx, [certificate.id]);
    // Its subscriptions may have been switched off or deleted while it was not watched.
    const [subscribed] = await this.defaults.addMissing(
      tx,
      stored.map((one) => ({ ...one, watched })),
    );
    const at = subscribed ? nextWarningAt({ ...subscribed, watched, notBefore, notAfter }) : null;
    await this.subscriptions.planNext(tx, [{ id: certificate.id, at }]);
  }

  /** Like `plan`, for the renewal alone. */
  planRenewal(tx: Tx, certificate: Certificate): Promise<void> {
    return this.planRenewals(tx, [certificate]);
  }

  /** Like `planRenewal` for many. */
  async planRenewals(tx: Tx, certificates: readonly Certificate[]): Promise<void> {
    const plans = await this.plansWithPolicies(tx, certificates);
    for (const [i, certificate] of certificates.entries()) {
      certificate.planNext(this.fromNow(plans[i] as PlanWithPolicy));
    }
    await this.waiting.removePlanned(tx, certificates, this.clock.now());
  }

  /** Like `planWithPolicy` for many, in order. */
  async plansWithPolicies(tx: Tx, certificates: readonly Certificate[]): Promise<PlanWithPolicy[]> {
    const policies = new Map((await this.policies.all(tx)).map((policy) => [policy.id, policy]));
    const ids = certificates.map(({ id }) => id);
    const successions = await this.certificates.successionsOf(tx, ids);
    return certificates.map((certificate, i) => {
      const policy = policies.get(certificate.rotationPolicyId);
      if (!policy) throw new Error(`Certificate ${certificate.id} has no rotation policy.`);
      const { notBefore, notAfter, spkiSha256 } = certificate;
      const suggestedLastAt = successions[i]?.suggestedLastAt ?? null;
      const times = { notBefore, notAfter, spkiSha256, suggestedLastAt };
      return { plan: planOf(certificate, policy, successions[i]), policy, times };
    });
  }

  /** Only the plans of `plansWithPolicies`. */
  async renewalPlans(tx: Tx, certificates: readonly Certificate[]): Promise<RenewalPlan[]> {
    return (await this.plansWithPolicies(tx, certificates)).map(({ plan }) => plan);
  }

  /** When and why it renews, or why not, with its rotation policy. */
  async planWithPolicy(tx: Tx, certificate: Certificate): Promise<PlanWithPolicy> {
    return (await this.plansWithPolicies(tx, [certificate]))[0] as PlanWithPolicy;
  }

  /** The plan as it is now: a renewal that is late waits for the next maintenance window. */
  fromNow({ plan, policy, times }: PlanWithPolicy): RenewalPlan {
    if (plan.at === null) return plan;
    const at = beginsAt(plan, times, policy, this.clock.now());
    return at > plan.at ? { ...plan, at, dueAt: plan.dueAt ?? plan.at } : plan;
  }
}

/** When and why a certificate renews under this policy, or why not. */
export function planOf(
  certificate: Certificate,
  policy: RenewalRule,
  succession: SuccessionFacts = noSuccession,
): RenewalPlan {
  return planRenewal(
    {
      ...certificate,
      hasIssuer: certificate.authorityId !== null,
      canMakeKey: canMakeKey(certificate.keyType),
      ...succession,
    },
    policy,
  );
}
