import { Injectable } from '@nestjs/common';
import { LaterActors } from '../../auth/later-actors.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant } from '../../platform/http/instant.js';
import { Problem } from '../../platform/http/problem.js';

const hourMs = 3_600_000;
/** A step does what the pace allows in this time. */
const stepMs = 5000;
const mostInStep = 100;

/**
 * How many certificates one step attempts, and how long it is until the next one may begin. `perHour`: null for as fast
 * as it can.
 */
export function paceOf(perHour: number | null): { count: number; waitMs: number } {
  if (perHour === null) return { count: mostInStep, waitMs: 0 };
  const count = Math.min(mostInStep, Math.max(1, Math.floor((perHour * stepMs) / hourMs)));
  return { count, waitMs: Math.ceil((count * hourMs) / perHour) };
}

/** From the first step to the last one, in milliseconds, when nothing holds the run up. */
export function lengthOf(certificates: number, perHour: number | null): number {
  const { count, waitMs } = paceOf(perHour);
  return Math.max(0, Math.ceil(certificates / count) - 1) * waitMs;
}

/** Compares how long runs take with the time that they have. */
@Injectable()
export class RunTime {
  constructor(
    private readonly clock: Clock,
    private readonly actors: LaterActors,
  ) {}

  /** Throws Problem `conflict` when the actor's API key ends before so many certificates are done at this pace. */
  async demand(tx: Tx, actor: Actor, certificates: number, perHour: number | null): Promise<void> {
    const end = await this.actors.endOfKey(tx, actor);
    const lastAt = new Date(this.clock.now().getTime() + lengthOf(certificates, perHour));
    if (end === null || lastAt < end) return;
    throw new Problem(
      'conflict',
      `The API key ends at ${instant(end)}, before the run could end (${instant(lastAt)}). Use a key that lasts ` +
        'longer, or a faster pace.',
    );
  }
}
