/** Facts about other certificates and the CA that decide about a renewal. */
export interface SuccessionFacts {
  /** True while a renewal exists that has not failed and is neither cancelled nor revoked. */
  hasSuccessor: boolean;
  /** True while an issued certificate exists that was requested or imported to replace this one. */
  isReplaced: boolean;
  /** True when a certificate with the same key is revoked for key compromise. */
  keyCompromised: boolean;
  /** The chosen moment in the window that the CA suggests (RFC 9773 §4.2). */
  suggestedAt: Date | null;
}

/** All inputs of a renewal decision, as plain values: the rules need no database. */
export interface RenewalFacts extends SuccessionFacts {
  notBefore: Date;
  notAfter: Date;
  /** Only `issued` certificates renew, except a revoked one with `toReplace`. */
  state: string;
  /** True when the certificate is revoked and a successor must replace it. */
  toReplace?: boolean;
  revokedAt?: Date | null;
  rotation: boolean;
  /** True when the certificate is superseded, but no destination deploys its successor. */
  awaitsDeployment?: boolean;
  /** When the certificate was deleted. */
  deletedAt?: Date | null;
  /** True when an authority is known that can issue the renewal. */
  hasIssuer: boolean;
  /** False when keys of its type cannot be generated here. */
  canMakeKey?: boolean;
}

/** When renewal begins: the earlier of the two. `lifetimeFraction` is the share of the lifetime that remains then. */
export interface RenewalRule {
  days: number | null;
  lifetimeFraction: number | null;
}

export type RenewalReason = 'key-compromised' | 'revoked' | 'ca-window' | 'policy' | 'emergency';
export type RenewalObstacle =
  | 'deleted'
  | 'not-issued'
  | 'revoked'
  | 'superseded'
  | 'no-issuer'
  | 'rotation-off'
  | 'renewal-under-way'
  | 'replaced'
  | 'key-type';

/** No successor, no replacement, no suggestion. */
export const noSuccession: SuccessionFacts = {
  hasSuccessor: false,
  isReplaced: false,
  keyCompromised: false,
  suggestedAt: null,
};

/** Either when and why a renewal is due, or why there is none. */
export type RenewalPlan =
  | { at: Date; reason: RenewalReason; text: string; obstacle?: undefined }
  | { at: null; obstacle: RenewalObstacle; text: string; reason?: undefined };

const dayMs = 86_400_000;
/** At this remaining share of the lifetime a certificate renews whatever the policy says. */
const emergencyFraction = 1 / 50;

/** Why there is no renewal, for plans, previews and refusals. */
export const obstacleTexts = {
  superseded: 'A successor has taken its place.',
  awaitsDeployment:
    'Its successor is issued, but has no destination: put it in place by hand, ' +
    'then switch notices off for the old one.',
  noIssuer: 'No authority is known that could issue it again.',
  keyType: 'Keys of its type cannot be generated here. Issue a certificate with another key type.',
} as const;

type Obstacle = (facts: RenewalFacts) => { obstacle: RenewalObstacle; text: string } | null;
type Rule = (facts: RenewalFacts, policy: RenewalRule) => { at: Date; reason: RenewalReason; text: string } | null;

const obstacles: readonly Obstacle[] = [
  (f) => (f.deletedAt ? { obstacle: 'deleted', text: 'It is deleted.' } : null),
  (f) => (f.state === 'revoked' && !f.toReplace ? { obstacle: 'revoked', text: 'It is revoked.' } : null),
  (f) =>
    f.state === 'superseded'
      ? { obstacle: 'superseded', text: obstacleTexts[f.awaitsDeployment ? 'awaitsDeployment' : 'superseded'] }
      : null,
  (f) =>
    f.state !== 'issued' && !f.toReplace ? { obstacle: 'not-issued', text: `It is ${f.state}, not issued.` } : null,
  (f) => (f.hasSuccessor ? { obstacle: 'renewal-under-way', text: 'A successor has been requested.' } : null),
  (f) => (f.isReplaced ? { obstacle: 'replaced', text: 'Another certificate replaces it.' } : null),
  (f) => (!f.rotation && !f.toReplace ? { obstacle: 'rotation-off', text: 'Rotation is switched off for it.' } : null),
  (f) => (!f.hasIssuer ? { obstacle: 'no-issuer', text: obstacleTexts.noIssuer } : null),
  (f) => (f.canMakeKey === false ? { obstacle: 'key-type', text: obstacleTexts.keyType } : null),
];

/** Reasons that do not wait for a time. The first that applies counts. */
const atOnce: readonly Rule[] = [
  (f) =>
    f.keyCompromised
      ? { at: f.revokedAt ?? f.notBefore, reason: 'key-compromised', text: 'Its private key is compromised.' }
      : null,
  (f) =>
    f.toReplace
      ? { at: f.revokedAt ?? f.notBefore, reason: 'revoked', text: 'It is revoked and must be replaced.' }
      : null,
];

/** In order of precedence: the first of several rules with the same due time gives the reason. */
const rules: readonly Rule[] = [
  ({ suggestedAt: at }) =>
    at && { at, reason: 'ca-window', text: 'A random moment in the renewal window that the CA suggests.' },
  (facts, policy) => {
    const leadMs = policyLeadMs(facts, policy);
    return { at: new Date(facts.notAfter.getTime() - leadMs), reason: 'policy', text: leadText(leadMs, policy) };
  },
  (facts) => ({
    at: new Date(facts.notAfter.getTime() - lifetimeMs(facts) * emergencyFraction),
    reason: 'emergency',
    text: 'It is about to expire.',
  }),
];

/** When and why a certificate renews, or why it does not. Independent of the current time. */
export function planRenewal(facts: RenewalFacts, policy: RenewalRule): RenewalPlan {
  for (const obstacle of obstacles) {
    const found = obstacle(facts);
    if (found) return { at: null, ...found };
  }
  for (const rule of atOnce) {
    const found = rule(facts, policy);
    if (found) return found;
  }
  const candidates = rules.map((rule) => rule(facts, policy)).filter((c) => c !== null);
  return candidates.reduce((first, next) => (next.at < first.at ? next : first));
}

/** The reason to renew now, or null. */
export function due(facts: RenewalFacts, policy: RenewalRule, now: Date): RenewalReason | null {
  const plan = planRenewal(facts, policy);
  return plan.at !== null && plan.at <= now ? plan.reason : null;
}

function lifetimeMs(facts: RenewalFacts): number {
  return facts.notAfter.getTime() - facts.notBefore.getTime();
}

/**
 * Milliseconds before notAfter. If the days of the policy exceed half of the lifetime, a third of the lifetime is used
 * instead: otherwise a short-lived certificate would renew as soon as it is issued.
 */
function policyLeadMs(facts: RenewalFacts, policy: RenewalRule): number {
  const lifetime = lifetimeMs(facts);
  const byFraction = (policy.lifetimeFraction ?? 0) * lifetime;
  const days = (policy.days ?? 0) * dayMs;
  return Math.max(byFraction, days > lifetime / 2 ? lifetime / 3 : days);
}

function leadText(leadMs: number, policy: RenewalRule): string {
  if (leadMs === (policy.days ?? 0) * dayMs) return `The policy says ${policy.days} days before expiry.`;
  if (policy.lifetimeFraction !== null)
    return `The policy says when ${Math.round(policy.lifetimeFraction * 100)} % of the lifetime remains.`;
  return (
    `The policy says ${policy.days} days, which is more than half of its lifetime. ` +
    'It renews when a third of it remains.'
  );
}
