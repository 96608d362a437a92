import {
  beginsAt,
  emergencyOf,
  isClosed,
  isUrgent,
  type RenewalReason,
  type RenewalRule,
  type RenewalTimes,
} from './due.js';

/** What a pause holds: every renewal, or those of one authority, source or certificate. */
export const pauseScopes = ['all', 'authority', 'source', 'certificate'] as const;
export type PauseScope = (typeof pauseScopes)[number];

/** A pause, as far as it decides about renewals. `targetId`: of the authority, source or certificate. */
export interface Pause {
  id: number;
  scope: PauseScope;
  targetId: number | null;
  /** Whether it also holds what is about to expire, is revoked or has a compromised key. */
  holdsEmergencies: boolean;
}

/** The most renewals that may begin in an hour: at one authority, or at all together (`authorityId` null). */
export interface RotationLimit {
  authorityId: number | null;
  perHour: number;
}

/** A renewal whose time has come. */
export interface DueRenewal extends RenewalTimes {
  id: number;
  authorityId: number | null;
  reason: RenewalReason;
  /** The sources that find the certificate. */
  sourceIds: readonly number[];
}

/** Why a renewal that is due does not begin. `lookAt`: when that must be decided again at the latest. */
export type Hold =
  { kind: 'pause'; pause: Pause; lookAt: Date } | { kind: 'window'; lookAt: Date } | { kind: 'limit'; lookAt: Date };

/** `overrides`: what would hold the renewal if it were not urgent. */
export type Verdict = { hold: Hold } | { hold: null; overrides: Hold['kind'] | null };

/** What is held for an unknown time is looked at again once a day. */
const dayMs = 86_400_000;

/** Whether a due renewal begins now, in view of the pauses in force. */
export function verdictOn(
  renewal: DueRenewal,
  { policy, pauses, limits }: { policy: RenewalRule; pauses: readonly Pause[]; limits: readonly RotationLimit[] },
  now: Date,
): Verdict {
  const lastAt = emergencyOf(renewal, policy).at;
  const applying = pauses.filter((pause) => applies(pause, renewal));
  const tomorrow = new Date(now.getTime() + dayMs);
  const untilEmergency = lastAt < tomorrow ? lastAt : tomorrow;
  if (isUrgent(renewal.reason, lastAt, now)) {
    const pause = applying.find(({ holdsEmergencies }) => holdsEmergencies);
    if (pause) return { hold: { kind: 'pause', pause, lookAt: tomorrow } };
    return { hold: null, overrides: applying.length > 0 ? 'pause' : isClosed(policy, now) ? 'window' : null };
  }
  const [pause] = applying;
  if (pause) return { hold: { kind: 'pause', pause, lookAt: untilEmergency } };
  const lookAt = beginsAt({ at: now, reason: renewal.reason }, renewal, policy, now);
  if (lookAt > now) return { hold: { kind: 'window', lookAt } };
  if (limits.some(({ authorityId }) => authorityId === null || authorityId === renewal.authorityId))
    return { hold: { kind: 'limit', lookAt: untilEmergency } };
  return { hold: null, overrides: null };
}

/** True for a pause that holds this certificate. */
export function applies(
  { scope, targetId }: Pick<Pause, 'scope' | 'targetId'>,
  { id, authorityId, sourceIds }: Pick<DueRenewal, 'id' | 'authorityId' | 'sourceIds'>,
): boolean {
  if (scope === 'authority') return targetId === authorityId;
  if (scope === 'certificate') return targetId === id;
  if (scope === 'source') return targetId !== null && sourceIds.includes(targetId);
  return true;
}

/**
 * How many renewals may begin now: at each limited authority, and in all. `begun`: by authority, in the last hour.
 * Infinity without a limit.
 */
export function roomOf(
  limits: readonly RotationLimit[],
  begun: ReadonlyMap<number, number>,
): { all: number; authorities: Map<number, number> } {
  const total = [...begun.values()].reduce((sum, count) => sum + count, 0);
  const room = (perHour: number, count: number): number => Math.max(0, perHour - count);
  const authorities = new Map<number, number>();
  for (const { authorityId, perHour } of limits)
    if (authorityId !== null) authorities.set(authorityId, room(perHour, begun.get(authorityId) ?? 0));
  const whole = limits.find(({ authorityId }) => authorityId === null);
  return { all: whole ? room(whole.perHour, total) : Infinity, authorities };
}
