import { Injectable } from '@nestjs/common';
import { LaterActors } from '../../auth/later-actors.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { instant } from '../../platform/http/instant.js';
import { Problem } from '../../platform/http/problem.js';

const minuteMs = 60_000;
/** A step revokes what the pace allows in this time. */
const stepMs = 5000;
const mostInStep = 100;

/** How many certificates one step revokes, and how long it is until the next one may begin. */
export function paceOf(perMinute: number): { count: number; waitMs: number } {
  const count = Math.min(mostInStep, Math.max(1, Math.floor((perMinute * stepMs) / minuteMs)));
  return { count, waitMs: Math.ceil((count * minuteMs) / perMinute) };
}

/** From the first step to the last one, in milliseconds, when nothing holds the run up. */
export function lengthOf(certificates: number, perMinute: number): number {
  const { count, waitMs } = paceOf(perMinute);
  return Math.max(0, Math.ceil(certificates / count) - 1) * waitMs;
}

/** Compares how long runs take with the time that they have. */
@Injectable()
export class RunTime {
  constructor(
    private readonly clock: Clock,
    private readonly actors: LaterActors,
  ) {}

  /** Throws Problem `conflict` when the actor's API key ends before so many certificates are revoked at this pace. */
  async demand(tx: Tx, actor: Actor, certificates: number, perMinute: number): Promise<void> {
    const end = await this.actors.endOfKey(tx, actor);
    const lastAt = new Date(this.clock.now().getTime() + lengthOf(certificates, perMinute));
    if (end === null || lastAt < end) return;
    throw new Problem(
      'conflict',
      `The API key ends at ${instant(end)}, before the run could end (${instant(lastAt)}). Use a key that lasts ` +
        'longer, or a faster pace.',
    );
  }
}
