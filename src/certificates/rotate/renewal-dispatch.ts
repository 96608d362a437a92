import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/audit.js';
import type { StepBack } from '../../jobs/step-back.js';
import type { TaskReport } from '../../jobs/task-report.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { Metrics } from '../../platform/metrics.js';
import { type Hold, roomOf, type RotationLimit, verdictOn } from '../../rotation/holds.js';
import { LimitRepository } from '../../rotation/limit.repository.js';
import { PauseRepository } from '../../rotation/pause.repository.js';
import { PolicyRepository } from '../../rotation/policy.repository.js';
import { rotateCertificate } from './rotate.job.js';
import { type DueKey, type TakenRenewal, WaitingRepository } from './waiting.repository.js';

const hourMs = 3_600_000;

/** How many renewals to decide about, and where to report those about which nothing can be decided. */
interface Take {
  limit: number;
  report: TaskReport;
}

/** What holds a renewal, or what an urgent one did not wait for. */
interface Held {
  renewal: TakenRenewal;
  hold: Hold;
}
interface Begun {
  renewal: TakenRenewal;
  overrides: Hold['kind'] | null;
}

/**
 * Lets due renewals begin, or holds them for a maintenance window, a pause, or a limit of renewals per hour. Limits
 * are counted in the database, so they hold for all processes together.
 */
@Injectable()
export class RenewalDispatch {
  private readonly overridden;

  constructor(
    private readonly waiting: WaitingRepository,
    private readonly policies: PolicyRepository,
    private readonly pauses: PauseRepository,
    private readonly limits: LimitRepository,
    private readonly audit: Audit,
    metrics: Metrics,
  ) {
    this.overridden = metrics.counter({
      name: 'emergency_renewals_total',
      help: 'Urgent renewals that did not wait for a maintenance window, a limit or a pause.',
      labels: ['overrides'],
    });
  }

  /**
   * Decides about at most `limit` due renewals that have no job, after `after` in the order of their dates. Returns
   * their number, and the last one.
   */
  async takeDue(
    tx: Tx,
    now: Date,
    { after, limit, report }: Take & { after: DueKey | null },
  ): Promise<{ count: number; last: DueKey | null }> {
    const limits = await this.limits.lock(tx);
    const due = await this.waiting.takeDue(tx, now, { job: rotateCertificate, after, limit });
    if (due.length > 0) await this.decide(tx, due, { limits, isCounted: limits.length > 0, report }, now);
    return { count: due.length, last: due.at(-1) ?? null };
  }

  /**
   * Lets renewals begin that wait for a limit, as far as there is room now. They are due again at `again`. Returns how
   * many were taken.
   */
  async takeWaiting(tx: Tx, now: Date, { again, limit, report }: Take & { again: Date }): Promise<number> {
    const limits = await this.limits.lock(tx);
    const begun = limits.length > 0 && (await this.limits.begunSince(tx, new Date(now.getTime() - hourMs)));
    const room = roomOf(limits, begun || new Map());
    const most = Math.min(limit, room.all);
    if (most === 0) return 0;
    const next = await this.waiting.takeWaiting(tx, { rooms: room.authorities, most, again });
    // There is room for them.
    if (next.length > 0) await this.decide(tx, next, { limits: [], isCounted: limits.length > 0, report }, now);
    return next.length;
  }

  /** Sets back when renewals have begun, which limits count. See SetBack. */
  setBack(tx: Tx, step: StepBack): Promise<void> {
    return this.limits.setBack(tx, step);
  }

  private async decide(
    tx: Tx,
    renewals: readonly TakenRenewal[],
    { limits, isCounted, report }: { limits: readonly RotationLimit[]; isCounted: boolean; report: TaskReport },
    now: Date,
  ): Promise<void> {
    const pauses = await this.pauses.lockInForce(tx, now);
    const policies = new Map((await this.policies.all(tx)).map((policy) => [policy.id, policy]));
    const held: Held[] = [];
    const begun: Begun[] = [];
    for (const renewal of renewals) {
      try {
        const policy = policies.get(renewal.policyId);
        if (!policy) throw new Error('It has no rotation policy.');
        const verdict = verdictOn(renewal, { policy, pauses, limits }, now);
        if (verdict.hold) held.push({ renewal, hold: verdict.hold });
        else begun.push({ renewal, overrides: verdict.overrides });
      } catch (error) {
        // It stays due, and the others go on.
        report.failed(`certificate ${renewal.id}`, error);
      }
    }
    await this.hold(tx, held, now);
    await this.begin(tx, begun, now, isCounted);
  }

  private async hold(tx: Tx, held: readonly Held[], now: Date): Promise<void> {
    if (held.length === 0) return;
    await this.waiting.moveAll(
      tx,
      held.map(({ renewal: { id }, hold }) => ({ id, at: hold.lookAt })),
    );
    const inWindows = held.filter(({ hold }) => hold.kind === 'window').map(({ renewal }) => renewal.id);
    if (inWindows.length > 0) await this.waiting.remove(tx, inWindows);
    const waits = held.flatMap(({ renewal: { id }, hold }) =>
      hold.kind === 'window' ? [] : [{ id, pauseId: hold.kind === 'pause' ? hold.pause.id : null }],
    );
    if (waits.length > 0) await this.waiting.add(tx, waits, now);
  }

  private async begin(tx: Tx, begun: readonly Begun[], now: Date, isCounted: boolean): Promise<void> {
    if (begun.length === 0) return;
    const ids = begun.map(({ renewal }) => renewal.id);
    const wereLimited = await this.waiting.remove(tx, ids);
    if (isCounted)
      await this.limits.addBegun(
        tx,
        begun.flatMap(({ renewal }) => renewal.authorityId ?? []),
        now,
      );
    await rotateCertificate.enqueueMany(
      tx,
      ids.map((certificateId) => ({ data: { certificateId } })),
    );
    const urgent = begun.flatMap(({ renewal, overrides }) => {
      const overridden = overrides ?? (wereLimited.has(renewal.id) ? 'limit' : null);
      return overridden === null ? [] : [{ renewal, overrides: overridden }];
    });
    if (urgent.length === 0) return;
    await this.audit.recordMany(
      tx,
      urgent.map(({ renewal: { id, reason }, overrides }) => ({
        actor: systemActor('rotate'),
        act: {
          action: 'certificate.emergency-renewal',
          targetType: 'certificate',
          targetId: id,
          after: { reason, overrides },
        },
      })),
    );
    for (const { overrides } of urgent) this.overridden.inc({ overrides });
  }
}
