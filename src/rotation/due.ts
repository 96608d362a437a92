import { type Maintenance, nextOpeningAt, nextOpenings } from './maintenance.js';

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
  /** From this moment on nothing holds the renewal, because the CA's window ends. Null: the window is no deadline. */
  suggestedLastAt: Date | null;
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
  /** The SHA-256 of its public key, in hex: it decides how much earlier than others it renews. */
  spkiSha256?: string;
}

/** The facts that decide how long a renewal can be held. */
export type RenewalTimes = Pick<RenewalFacts, 'notBefore' | 'notAfter' | 'spkiSha256' | 'suggestedLastAt'>;

/** From `at` on no window, limit or ordinary pause holds a renewal, and what happens then. */
export interface Emergency {
  at: Date;
  cause: 'expiry' | 'ca-window';
}

/** When renewal begins: the earlier of the two. `lifetimeFraction` is the share of the lifetime that remains then. */
export interface RenewalRule {
  days: number | null;
  lifetimeFraction: number | null;
  /** Renewals are spread over so many hours before that. Null: a fiftieth of the lifetime, at most a day. */
  spreadHours: number | null;
  /** At this remaining share of the lifetime nothing holds a renewal any more, if not earlier. Null: 1/50. */
  emergencyFraction: number | null;
  /** When renewals may begin. Null: at any time. */
  maintenance: Maintenance | null;
}

/** The settings of a rule that has none but `days` or `lifetimeFraction`. */
export const plainRule = { spreadHours: null, emergencyFraction: null, maintenance: null } as const;

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
  suggestedLastAt: null,
};

/** Either when and why a renewal begins, or why there is none. `dueAt`: set when it waits for a maintenance window. */
export type RenewalPlan =
  | { at: Date; dueAt?: Date; reason: RenewalReason; text: string; obstacle?: undefined }
  | { at: null; dueAt?: undefined; obstacle: RenewalObstacle; text: string; reason?: undefined };

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Of a policy that says none. */
export const defaultEmergencyFraction = 1 / 50;
const defaultSpread = { fraction: 1 / 50, mostMs: dayMs };
/** Renewals are spread over at most this share of a lifetime, and never into its first fifth. */
const mostSpread = 1 / 10;
const untouchedFraction = 1 / 5;

/** Why there is no renewal, for plans, previews and refusals. */
export const obstacleTexts = {
  superseded: 'A successor has taken its place.',
  awaitsDeployment:
    'Its successor is issued, but has no destination: put it in place by hand, ' +
    'then switch notices off for the old one.',
  noIssuer: 'No authority is known that could issue it again.',
  keyType: 'Keys of its type cannot be generated here. Issue a certificate with another key type.',
} as const;

/** What happens in an emergency, for plans. */
export const wordsOfEmergency = {
  expiry: 'it is about to expire',
  'ca-window': 'the renewal window that the CA suggests is about to end',
} as const;

type Obstacle = (facts: RenewalFacts) => { obstacle: RenewalObstacle; text: string } | null;
type Due = { at: Date; reason: RenewalReason; text: string };
type Rule = (facts: RenewalFacts, policy: RenewalRule) => Due | null;

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
    const { leadMs, text: said } = leadOf(facts, policy);
    const earlierMs = spreadMs(facts, policy, leadMs);
    const text = said + (earlierMs > 0 ? spreadText : '');
    return { at: new Date(facts.notAfter.getTime() - leadMs - earlierMs), reason: 'policy', text };
  },
  (facts, policy) => ({ at: aboutToExpireAt(facts, policy), reason: 'emergency', text: 'It is about to expire.' }),
];

const spreadText = ' It renews somewhat earlier, so that certificates that are due together do not renew together.';

/**
 * When and why a certificate renews, or why it does not. Independent of the current time: a renewal whose time has
 * passed waits for a window that is open now.
 */
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
  return inWindow(
    facts,
    policy,
    candidates.reduce((first, next) => (next.at < first.at ? next : first)),
  );
}

/**
 * When nothing holds the renewal any more: when the certificate is about to expire, or when the window that the CA
 * suggests is about to end.
 */
export function emergencyOf(times: RenewalTimes, policy: RenewalRule): Emergency {
  const at = aboutToExpireAt(times, policy);
  const { suggestedLastAt } = times;
  if (suggestedLastAt !== null && suggestedLastAt < at) return { at: suggestedLastAt, cause: 'ca-window' };
  return { at, cause: 'expiry' };
}

function aboutToExpireAt(times: Pick<RenewalFacts, 'notBefore' | 'notAfter'>, policy: RenewalRule): Date {
  const fraction = policy.emergencyFraction ?? defaultEmergencyFraction;
  return new Date(times.notAfter.getTime() - lifetimeMs(times) * fraction);
}

/** The reason to renew now, or null. */
export function due(facts: RenewalFacts, policy: RenewalRule, now: Date): RenewalReason | null {
  const plan = planRenewal(facts, policy);
  if (plan.at === null || beginsAt(plan, facts, policy, now) > now) return null;
  return plan.reason;
}

/** Reasons of renewals that no window, limit or ordinary pause holds. */
export const urgentReasons: readonly RenewalReason[] = ['key-compromised', 'revoked', 'emergency'];

/** True for a renewal that no window, limit or ordinary pause holds. */
export function isUrgent(reason: RenewalReason, lastAt: Date, now: Date): boolean {
  return urgentReasons.includes(reason) || lastAt <= now;
}

/**
 * When a renewal begins, seen from now: one whose window has passed waits for the next one, at most until the
 * emergency.
 */
export function beginsAt(
  { at, reason }: { at: Date; reason: RenewalReason },
  times: RenewalTimes,
  policy: RenewalRule,
  now: Date,
): Date {
  const lastAt = emergencyOf(times, policy).at;
  if (at > now || isUrgent(reason, lastAt, now) || !isClosed(policy, now)) return at;
  return inNextOpening(times, policy, now) ?? lastAt;
}

/** True while the policy has maintenance windows and none is open. */
export function isClosed({ maintenance }: Pick<RenewalRule, 'maintenance'>, now: Date): boolean {
  return maintenance !== null && nextOpeningAt(maintenance, now)?.getTime() !== now.getTime();
}

/** Moves a renewal to the first maintenance window that is open when it is due, or opens before the emergency. */
function inWindow(facts: RenewalFacts, policy: RenewalRule, due: Due): RenewalPlan {
  if (policy.maintenance === null || due.reason === 'emergency') return due;
  const { at: lastAt, cause } = emergencyOf(facts, policy);
  if (due.at >= lastAt) return due;
  if (!isClosed(policy, due.at)) return due;
  const at = inNextOpening(facts, policy, due.at);
  if (at !== null) return { ...due, at, dueAt: due.at, text: `${due.text} It waits for the next maintenance window.` };
  const text = `${due.text} No maintenance window opens before ${wordsOfEmergency[cause]}: it renews outside of them.`;
  return { at: lastAt, dueAt: due.at, reason: 'emergency', text };
}

/** Of a window. What would begin at its very end, and is late, would wait for the next one, each time. */
const spreadShare = 0.75;

/**
 * When a renewal begins that waits at `from`, while no window is open: in the next window, as far after its begin as
 * its share of the spread says, so that what became due since the last window does not renew at one moment. Null when
 * no window opens before the emergency.
 */
function inNextOpening(times: RenewalTimes, policy: RenewalRule, from: Date): Date | null {
  const [opening] = policy.maintenance ? nextOpenings(policy.maintenance, from, 1) : [];
  const lastAt = emergencyOf(times, policy).at;
  if (!opening || opening.from >= lastAt) return null;
  const lengthMs = Math.min(opening.to.getTime(), lastAt.getTime()) - opening.from.getTime();
  const most = Math.min(lengthMs * spreadShare, widestSpreadMs(times, policy));
  return new Date(opening.from.getTime() + Math.floor(most * shareOf(times.spkiSha256 ?? '0')));
}

function lifetimeMs(facts: Pick<RenewalFacts, 'notBefore' | 'notAfter'>): number {
  return facts.notAfter.getTime() - facts.notBefore.getTime();
}

/** How much earlier than the policy says it renews, in milliseconds: always the same for one certificate. */
function spreadMs(facts: RenewalFacts, policy: RenewalRule, leadMs: number): number {
  if (!facts.spkiSha256) return 0;
  const free = lifetimeMs(facts) * (1 - untouchedFraction) - leadMs;
  const most = Math.max(0, Math.min(widestSpreadMs(facts, policy), free));
  return Math.floor(most * shareOf(facts.spkiSha256));
}

/** Over how much time renewals that are due together are spread, in milliseconds. */
function widestSpreadMs(times: Pick<RenewalFacts, 'notBefore' | 'notAfter'>, { spreadHours }: RenewalRule): number {
  const lifetime = lifetimeMs(times);
  const wanted =
    spreadHours === null ? Math.min(lifetime * defaultSpread.fraction, defaultSpread.mostMs) : spreadHours * hourMs;
  return Math.min(wanted, lifetime * mostSpread);
}

/** A number from 0 to below 1 that is spread evenly over hashes. `sha256`: in hex. */
export function shareOf(sha256: string): number {
  return parseInt(sha256.slice(0, 8), 16) / 2 ** 32;
}

/**
 * When renewal begins, in milliseconds before notAfter, and what says so. If the days of the policy exceed half of the
 * lifetime, a third of the lifetime is used instead: otherwise a short-lived certificate would renew as soon as it is
 * issued.
 */
function leadOf(facts: RenewalFacts, policy: RenewalRule): { leadMs: number; text: string } {
  const lifetime = lifetimeMs(facts);
  const fraction = policy.lifetimeFraction ?? 0;
  const days = (policy.days ?? 0) * dayMs;
  const isTooLong = days > lifetime / 2;
  const byDays = isTooLong ? lifetime / 3 : days;
  if (policy.days === null || byDays < fraction * lifetime)
    return {
      leadMs: fraction * lifetime,
      text: `The policy says when ${Math.round(fraction * 100)} % of the lifetime remains.`,
    };
  const text = isTooLong
    ? `The policy says ${policy.days} days, which is more than half of its lifetime. ` +
      'It renews when a third of it remains.'
    : `The policy says ${policy.days} days before expiry.`;
  return { leadMs: byDays, text };
}
