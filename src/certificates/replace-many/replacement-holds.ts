import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { instant } from '../../platform/http/instant.js';
import { type Hold, roomOf, verdictOn } from '../../rotation/holds.js';
import { LimitRepository } from '../../rotation/limit.repository.js';
import { PauseRepository } from '../../rotation/pause.repository.js';
import type { Certificate } from '../certificate.entity.js';
import { Planning } from '../planning.js';
import { wordsOfPause } from '../rotate/rotation-status.js';
import { WaitingRepository } from '../rotate/waiting.repository.js';
import type { RunHold } from '../runs/run-kind.js';
import type { ReplacementWishes } from './replacement.schema.js';

const hourMs = 3_600_000;
/** A pause may be ended at any time, and a limit may have room again. */
const lookAgainMs = { pause: 10 * 60_000, limit: 60_000 };

/**
 * What holds the replacement of a certificate: the pauses and limits of renewals, and maintenance windows unless they
 * are to be ignored. As for other renewals, only a pause with `holdsEmergencies` holds what is about to expire.
 */
@Injectable()
export class ReplacementHolds {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly planning: Planning,
    private readonly pauses: PauseRepository,
    private readonly waiting: WaitingRepository,
    private readonly limits: LimitRepository,
  ) {}

  /** The pause or the window that holds it now; null when nothing does. Limits are no part of it. */
  async of(certificate: Certificate, wishes: ReplacementWishes): Promise<RunHold | null> {
    const [tx, now] = [this.db.single, this.clock.now()];
    const { id, state } = certificate;
    const pauses = await this.pauses.inForce(tx, now);
    const { policy, times } = await this.planning.planWithPolicy(tx, certificate);
    const { days, lifetimeFraction, spreadHours, emergencyFraction } = policy;
    const maintenance = wishes.maintenanceWindows === 'ignore' ? null : policy.maintenance;
    const rule = { days, lifetimeFraction, spreadHours, emergencyFraction, maintenance };
    const authorityId = wishes.authority?.id ?? certificate.authorityId;
    const reason = state === 'revoked' ? 'revoked' : 'policy';
    const sourceIds = await this.waiting.sourcesOf(tx, id);
    const renewal = { id, authorityId, ...times, reason, sourceIds } as const;
    const { hold } = verdictOn(renewal, { policy: rule, pauses, limits: [] }, now);
    if (hold?.kind !== 'pause') return hold && windowHold(hold);
    const found = pauses.find((one) => one.id === hold.pause.id);
    const again = new Date(now.getTime() + lookAgainMs.pause);
    const until = found?.until && found.until < again ? found.until : again;
    return { code: 'pause', detail: `It is paused: ${found ? wordsOfPause(found) : 'the pause has ended'}.`, until };
  }

  /** Counts a replacement towards the limits of renewals per hour, or says which of them has no room left. */
  async take(certificate: Certificate, { authority }: ReplacementWishes): Promise<RunHold | null> {
    const authorityId = authority?.id ?? certificate.authorityId ?? 0;
    return this.db.write(async (tx) => {
      const limits = await this.limits.lock(tx);
      if (limits.length === 0) return null;
      const now = this.clock.now();
      const room = roomOf(limits, await this.limits.begunSince(tx, new Date(now.getTime() - hourMs)));
      const isFull = (of: number | null): boolean =>
        (of === null ? room.all : (room.authorities.get(of) ?? Infinity)) <= 0;
      const full = limits.find((one) => [null, authorityId].includes(one.authorityId) && isFull(one.authorityId));
      if (!full) {
        await this.limits.addBegun(tx, [authorityId], now);
        return null;
      }
      const whose = full.authorityId === null ? 'of all authorities' : 'of its authority';
      return {
        code: 'limit',
        detail: `It waits for the limit of ${full.perHour} renewals per hour ${whose}.`,
        until: new Date(now.getTime() + lookAgainMs.limit),
      };
    });
  }
}

function windowHold({ lookAt }: Hold): RunHold {
  const detail = `It waits for the maintenance window of its policy, at most until ${instant(lookAt)}.`;
  return { code: 'window', detail, until: lookAt };
}
