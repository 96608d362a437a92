/** What decides about a renewal beside the certificate: other certificates, and its CA. */
export interface Succession {
  /** True while a renewal of it exists that has neither failed nor been cancelled or revoked. */
  hasSuccessor: boolean;
  /** True while a certificate is issued that was requested or imported to replace it. */
  isReplaced: boolean;
  /** True when a certificate with the same key is revoked because the key is compromised. */
  keyCompromised: boolean;
  /** The moment chosen in the window that the CA suggests (RFC 9773 §4.2). */
  suggestedAt: Date | null;
}

/** What decides about a renewal. Plain values, so that the rules can be read and tested without a database. */
export interface RenewalFacts extends Succession {
  notBefore: Date;
  notAfter: Date;
  /** `issued` certificates renew; every other state is a reason not to, unless it is revoked and to be replaced. */
  state: string;
  /** True when it is revoked, and a successor is to take its place. */
  toReplace?: boolean;
  revokedAt?: Date | null;
  rotation: boolean;
  /** True when it is superseded, but nothing here puts its successor in place. */
  awaitsDeployment?: boolean;
  /** Since when it is out of sight. */
  deletedAt?: Date | null;
  /** True when an authority that can issue is known. */
  hasIssuer: boolean;
  /** False when no key of its type can be made here, as a renewal would have to. */
  canMakeKey?: boolean;
}

/**
 * When the renewal begins: whichever of the two comes first. `lifetimeFraction` is the share of the lifetime that is
 * left then.
 */
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

/** Nobody takes its place yet. */
export const noSuccession: Succession = {
  hasSuccessor: false,
  isReplaced: false,
  keyCompromised: false,
  suggestedAt: null,
};

/** Either the moment from which a renewal is due and why, or why there will be none. */
export type RenewalPlan =
  | { at: Date; reason: RenewalReason; text: string; obstacle?: undefined }
  | { at: null; obstacle: RenewalObstacle; text: string; reason?: undefined };

const dayMs = 86_400_000;
/** A certificate with no more than this share of its lifetime left is renewed whatever the policy says. */
const emergencyFraction = 1 / 50;

const byHand =
  'Its successor is issued, but has no destination: put it in place by hand, then switch notices off for the old one.';

type Obstacle = (facts: RenewalFacts) => { obstacle: RenewalObstacle; text: string } | null;
type Rule = (facts: RenewalFacts, policy: RenewalRule) => { at: Date; reason: RenewalReason; text: string } | null;

const obstacles: readonly Obstacle[] = [
  (f) => (f.deletedAt ? { obstacle: 'deleted', text: 'It is deleted.' } : null),
  (f) => (f.state === 'revoked' && !f.toReplace ? { obstacle: 'revoked', text: 'It is revoked.' } : null),
  (f) =>
    f.state === 'superseded'
      ? { obstacle: 'superseded', text: f.awaitsDeployment ? byHand : 'A successor has taken its place.' }
      : null,
  (f) =>
    f.state !== 'issued' && !f.toReplace ? { obstacle: 'not-issued', text: `It is ${f.state}, not issued.` } : null,
  (f) => (f.hasSuccessor ? { obstacle: 'renewal-under-way', text: 'A successor has been requested.' } : null),
  (f) => (f.isReplaced ? { obstacle: 'replaced', text: 'Another certificate replaces it.' } : null),
  (f) => (!f.rotation && !f.toReplace ? { obstacle: 'rotation-off', text: 'Rotation is switched off for it.' } : null),
  (f) => (!f.hasIssuer ? { obstacle: 'no-issuer', text: 'No authority is known that could issue it again.' } : null),
  (f) =>
    f.canMakeKey === false
      ? { obstacle: 'key-type', text: 'No key of its type is made here. Issue a certificate with another key type.' }
      : null,
];

/** They do not wait for any moment of the lifetime, so the first that applies is the reason. */
const atOnce: readonly Rule[] = [
  (f) =>
    f.keyCompromised
      ? { at: f.revokedAt ?? f.notBefore, reason: 'key-compromised', text: 'Its private key is compromised.' }
      : null,
  (f) =>
    f.toReplace
      ? { at: f.revokedAt ?? f.notBefore, reason: 'revoked', text: 'It is revoked, and a successor takes its place.' }
      : null,
];

/** In the order in which they are asked; of those that are due at the same moment the first is named. */
const rules: readonly Rule[] = [
  ({ suggestedAt: at }) =>
    at && { at, reason: 'ca-window', text: 'It is a random moment in the window that the CA suggests.' },
  (facts, policy) => {
    const leadMs = policyLeadMs(facts, policy);
    return { at: new Date(facts.notAfter.getTime() - leadMs), reason: 'policy', text: leadText(leadMs, policy) };
  },
  (facts) => ({
    at: new Date(facts.notAfter.getTime() - lifetimeMs(facts) * emergencyFraction),
    reason: 'emergency',
    text: 'Almost nothing is left of its lifetime.',
  }),
];

/** When and why a certificate renews, or why it does not. Independent of the present moment. */
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
 * Milliseconds before notAfter. Days that would eat more than half of the lifetime become a third of it: otherwise a
 * certificate that lives shorter than its policy's days would renew again as soon as it is issued.
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
    return `The policy says when ${Math.round(policy.lifetimeFraction * 100)} % of the lifetime is left.`;
  return `The policy says ${policy.days} days, which is more than half of its lifetime; so when a third of it is left.`;
}
