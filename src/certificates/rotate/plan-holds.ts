import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { instant } from '../../platform/http/instant.js';
import { type Emergency, emergencyOf, isUrgent, type RenewalPlan, wordsOfEmergency } from '../../rotation/due.js';
import { applies, type Hold, type RotationLimit } from '../../rotation/holds.js';
import { LimitRepository } from '../../rotation/limit.repository.js';
import { PauseRepository } from '../../rotation/pause.repository.js';
import type { RotationPolicy } from '../../rotation/policy.entity.js';
import type { Certificate } from '../certificate.entity.js';
import { Planning, type PlanWithPolicy } from '../planning.js';
import { type ReplacementOf, RunRepository } from '../runs/run.repository.js';
import { wordsOfPause } from './rotation-status.js';
import { WaitingRepository } from './waiting.repository.js';

/**
 * What holds a renewal, in words. `until`: when it begins by what is known now; null: unknown. `emergency`: from when
 * on nothing holds it; null for a pause that holds emergencies. `retry`: an attempt has failed; `spread`: what was held
 * together begins at different moments.
 */
export interface ShownHold {
  kind: Hold['kind'] | 'retry' | 'spread';
  text: string;
  until: Date | null;
  emergency: Emergency | null;
  pauseId: number | null;
}

/** A plan as it is now, by its policy, what holds it, and the replacement run that it belongs to. */
export interface HeldPlan {
  plan: RenewalPlan;
  policy: RotationPolicy;
  hold: ShownHold | null;
  replacement: ReplacementOf | null;
}

const hourMs = 3_600_000;

/** Finds what holds a planned renewal, or will hold it when it is due. */
@Injectable()
export class PlanHolds {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly planning: Planning,
    private readonly waiting: WaitingRepository,
    private readonly pauses: PauseRepository,
    private readonly limits: LimitRepository,
    private readonly runs: RunRepository,
  ) {}

  async planOf(certificate: Certificate): Promise<HeldPlan> {
    const planned = await this.planning.planWithPolicy(this.db.single, certificate);
    const plan = this.planning.fromNow(planned);
    const replacement = await this.runs.replacementOf(this.db.single, certificate.id);
    return { plan, policy: planned.policy, hold: await this.holdOn(certificate, { ...planned, plan }), replacement };
  }

  private async holdOn(certificate: Certificate, { plan, policy, times }: PlanWithPolicy): Promise<ShownHold | null> {
    if (plan.at === null) return null;
    const now = this.clock.now();
    const emergency = emergencyOf(times, policy);
    const urgent = isUrgent(plan.reason, emergency.at, now);
    const pause = await this.pauseOf(certificate, urgent, now);
    if (pause) {
      const { holdsEmergencies, until } = pause;
      const more = holdsEmergencies ? ' This pause holds emergencies, too.' : '';
      const ends = holdsEmergencies ? until : earlier(until, emergency.at);
      const text = `It is paused: ${wordsOfPause(pause)}.${more}`;
      return { kind: 'pause', text, until: ends, emergency: holdsEmergencies ? null : emergency, pauseId: pause.id };
    }
    const wait = await this.waiting.find(this.db.single, certificate.id);
    if (wait?.pauseId === null && !urgent) return this.limitOn(certificate, emergency, now);
    if (plan.at <= now) return laterThanDue(certificate, now);
    if (plan.dueAt === undefined) return null;
    const text =
      plan.reason === 'emergency'
        ? `No maintenance window opens before ${wordsOfEmergency[emergency.cause]}.`
        : `It waits for the next maintenance window, and begins in it at ${instant(plan.at)}.`;
    return { kind: 'window', text, until: plan.at, emergency, pauseId: null };
  }

  private async pauseOf({ id, authorityId }: Certificate, urgent: boolean, now: Date) {
    const pauses = await this.pauses.inForce(this.db.single, now);
    if (pauses.length === 0) return undefined;
    const sourceIds = await this.waiting.sourcesOf(this.db.single, id);
    return pauses.find((one) => applies(one, { id, authorityId, sourceIds }) && (!urgent || one.holdsEmergencies));
  }

  /** What is ahead of it, at the pace of the limit, from the next hour on. */
  private async limitOn({ id, authorityId }: Certificate, emergency: Emergency, now: Date): Promise<ShownHold | null> {
    const ahead = await this.waiting.ahead(this.db.single, id);
    const limits: readonly RotationLimit[] = await this.limits.all(this.db.single);
    const waits = limits
      .filter((limit) => limit.authorityId === null || limit.authorityId === authorityId)
      .map(({ authorityId: of, perHour }) => {
        const hours = 1 + Math.floor((of === null ? ahead.all : ahead.authority) / perHour);
        return { of, perHour, at: new Date(now.getTime() + hours * hourMs) };
      });
    const longest = waits.toSorted((a, b) => b.at.getTime() - a.at.getTime())[0];
    if (!longest) return null;
    const until = earlier(longest.at, emergency.at);
    const whose = longest.of === null ? 'of all authorities' : 'of this authority';
    const text = `It waits for the limit of ${longest.perHour} renewals per hour ${whose}; about ${instant(until)}.`;
    return { kind: 'limit', text, until, emergency, pauseId: null };
  }
}

/** It is due, and begins later: it has failed, or is spread with others that a pause has held. */
function laterThanDue(
  { nextRenewalAt: until, renewalRetryAt }: Pick<Certificate, 'nextRenewalAt' | 'renewalRetryAt'>,
  now: Date,
): ShownHold | null {
  if (until === null || until <= now) return null;
  const none = { emergency: null, pauseId: null };
  if (renewalRetryAt?.getTime() === until.getTime())
    return { kind: 'retry', text: `An attempt has failed; the next one is at ${instant(until)}.`, until, ...none };
  return { kind: 'spread', text: `It is due, and begins at ${instant(until)} at the latest.`, until, ...none };
}

function earlier(one: Date | null, other: Date): Date {
  return one !== null && one < other ? one : other;
}
