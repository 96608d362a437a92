/** The limits of one lane, over all processes. */
export interface LaneLimits {
  /** Runs of one lane at the same time. */
  atOnce: number;
  /** Runs of one lane that start in one calendar minute; absent: no limit. */
  perMinute?: number;
}

/** A kind of lane and its default limits. `of` gives the lane of one object, for example `destination:8`. */
export interface LaneKind {
  readonly kind: string;
  readonly limits: LaneLimits;
  of(id: number | string): string;
}

const defined = new Map<string, LaneKind>();

/**
 * Declares a kind of lane: jobs that call the same outside system share one lane, so that a system that hangs delays
 * only its own jobs. Never rename a kind: it is stored in the outbox. Throws when the kind is declared already.
 */
export function defineLane(kind: string, limits: LaneLimits): LaneKind {
  if (defined.has(kind)) throw new Error(`The lane ${kind} is defined twice.`);
  const lane: LaneKind = { kind, limits, of: (id) => `${kind}:${id}` };
  defined.set(kind, lane);
  return lane;
}

/** The limits of each lane of a kind (`authority`) or of one lane (`authority:3`). */
export interface LaneLimit extends LaneLimits {
  lane: string;
}

/**
 * The limits in force: the defaults of the declared kinds, unless `settings` overrides them. Throws when a setting
 * names a kind that is not declared.
 */
export function laneLimits(settings: readonly LaneLimit[] = []): LaneLimit[] {
  const unknown = settings.find(({ lane }) => !defined.has(lane.split(':')[0] ?? ''));
  if (unknown)
    throw new Error(`LANE_LIMITS: there is no lane ${unknown.lane}; the kinds are ${[...defined.keys()].join(', ')}.`);
  const ofKinds = [...defined.values()].map(({ kind, limits }): LaneLimit => ({ lane: kind, ...limits }));
  return [...new Map([...ofKinds, ...settings].map((limit) => [limit.lane, limit])).values()];
}
