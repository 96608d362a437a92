/** How much of one kind of lane may run, over all processes. */
export interface LaneLimits {
  /** Runs of one lane at the same time. */
  atOnce: number;
  /** Runs of one lane begun in one calendar minute; absent: as many as there are. */
  perMinute?: number;
}

/** A kind of lane with its limits; `of` names the lane of one thing, for example `destination:8`. */
export interface LaneKind {
  readonly kind: string;
  readonly limits: LaneLimits;
  of(id: number | string): string;
}

const defined = new Map<string, LaneKind>();

/**
 * Declares a kind of lane: jobs that call the same outside system share one lane, so that a system that hangs holds up
 * only its own jobs. `kind` is stored with the rows: never renamed.
 */
export function defineLane(kind: string, limits: LaneLimits): LaneKind {
  if (defined.has(kind)) throw new Error(`The lane ${kind} is defined twice.`);
  const lane: LaneKind = { kind, limits, of: (id) => `${kind}:${id}` };
  defined.set(kind, lane);
  return lane;
}

/** Every kind that was declared. */
export function definedLanes(): LaneKind[] {
  return [...defined.values()];
}
