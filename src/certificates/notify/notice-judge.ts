import { Injectable } from '@nestjs/common';
import { In, IsNull, Not } from 'typeorm';
import { lastingProblems } from '../../notifications/subscription.schema.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { Certificate, ownerVouches } from '../certificate.entity.js';
import { Delivery } from '../deploy/delivery.entity.js';
import { EndpointRepository } from '../../sources/endpoint.repository.js';
import { AcknowledgementRepository } from './acknowledgement.repository.js';
import type { Notice, NoticeWait } from './notice.entity.js';
import { NoticeRouteRepository } from './notice-route.repository.js';

/** What becomes of notices that are due. */
interface SortedNotices {
  current: Notice[];
  obsolete: Notice[];
  waiting: { notice: Notice; wait: NoticeWait }[];
}

/** How often a notice is looked at again whose subscription or channel is switched off. */
const pausedMs = 86_400_000;

/** Decides which notices still apply, and which wait. */
@Injectable()
export class NoticeJudge {
  constructor(
    private readonly db: Database,
    private readonly acknowledgements: AcknowledgementRepository,
    private readonly endpoints: EndpointRepository,
    private readonly routes: NoticeRouteRepository,
  ) {}

  /**
   * A notice is obsolete when its certificate is no longer watched, when its subscription no longer hears of this
   * problem, or when the failed operation has succeeded. It waits while its subscription or channel is switched off,
   * and while somebody takes care of its event.
   */
  async sort(tx: Tx, notices: readonly Notice[], now: Date): Promise<SortedNotices> {
    const stopped = await this.routes.stopped(
      tx,
      notices.map(({ id }) => id),
    );
    const isCurrent = await this.judgeOf(tx, notices);
    const applies = (notice: Notice): boolean => stopped.get(notice.id) !== 'over' && isCurrent(notice);
    const waits = await this.waitsOf(tx, notices, now);
    for (const [id, why] of stopped)
      if (why === 'paused') waits.set(id, { until: new Date(now.getTime() + pausedMs), hold: 'paused' });
    const current = notices.filter(applies);
    return {
      current: current.filter(({ id }) => !waits.has(id)),
      obsolete: notices.filter((notice) => !applies(notice)),
      waiting: current.flatMap((notice) => {
        const wait = waits.get(notice.id);
        return wait ? [{ notice, wait }] : [];
      }),
    };
  }

  /** Locks what `sort` looks at, before the notices of these ids themselves are locked. */
  lockGrounds(tx: Tx, ids: readonly number[]): Promise<void> {
    return this.routes.lockGrounds(tx, ids);
  }

  /**
   * Until when somebody must hear of the problems of these notices, by their ids: until their certificates expire. What
   * has happened once has no entry.
   */
  async neededUntil(notices: readonly Notice[]): Promise<Map<number, Date>> {
    const problems = notices.filter(({ event }) => lastingProblems.some((one) => one === event));
    const certificates = await this.certificatesOf(this.db.single, problems);
    return new Map(
      problems.flatMap(({ id, certificateId }): [number, Date][] => {
        const certificate = certificates.get(certificateId ?? 0);
        return certificate ? [[id, certificate.notAfter]] : [];
      }),
    );
  }

  private async judgeOf(tx: Tx, notices: readonly Notice[]): Promise<(notice: Notice) => boolean> {
    const certificates = await this.certificatesOf(tx, notices);
    const troubled = await this.troubledDeliveries(tx, notices);
    const served = await this.stillServed(tx, notices);
    return ({ id, certificateId, escalatesId, event, data }) => {
      const certificate = certificates.get(certificateId ?? 0);
      if (event === 'delivery.failing') return troubled.has(Number(data.deliveryId));
      if (event === 'certificate.still-served') return served.has(id);
      if (event === 'certificate.expiring') return certificate?.watched ?? false;
      if (event === 'certificate.handed-over') return certificate !== undefined && !ownerVouches(certificate);
      if (event === 'certificate.rotation-failed')
        return (certificate?.renewable ?? false) && (certificate?.renewalAttempts ?? 0) > 0;
      // Nobody has deployed the successor as long as the old certificate is still warned of.
      if (event === 'certificate.no-destination' && escalatesId !== null)
        return certificates.get(Number(data.oldId))?.watched ?? false;
      return true;
    };
  }

  /** Until when each notice waits, by its id. */
  private async waitsOf(tx: Tx, notices: readonly Notice[], now: Date): Promise<Map<number, NoticeWait>> {
    const open = await this.acknowledgements.open(tx, certificateIdsOf(notices), now);
    const untils = new Map(open.map((one) => [`${one.certificateId}:${one.event}`, one.until]));
    return new Map(
      notices.flatMap(({ id, certificateId, event }): [number, NoticeWait][] => {
        const until = untils.get(`${certificateId ?? ''}:${event}`);
        return until ? [[id, { until, hold: 'acknowledged' }]] : [];
      }),
    );
  }

  private async certificatesOf(tx: Tx, notices: readonly Notice[]): Promise<Map<number, Certificate>> {
    const old = notices.flatMap(({ escalatesId, data }) =>
      escalatesId !== null && data.oldId ? [Number(data.oldId)] : [],
    );
    const ids = new Set([...certificateIdsOf(notices), ...old]);
    const rows = await tx.findBy(Certificate, { id: In([...ids]) });
    return new Map(rows.map((one) => [one.id, one]));
  }

  /** The ids of those notices whose certificates endpoints still serve. */
  private async stillServed(tx: Tx, notices: readonly Notice[]): Promise<Set<number>> {
    const served = new Set<number>();
    for (const { id, event, certificateId, data } of notices) {
      if (event !== 'certificate.still-served' || certificateId === null) continue;
      const names = await this.endpoints.namesServing(tx, certificateId, data.endpointIds as number[]);
      if (names.length > 0) served.add(id);
    }
    return served;
  }

  /** The ids of the deliveries of these notices of which something still fails, or that are still not in use. */
  private async troubledDeliveries(tx: Tx, notices: readonly Notice[]): Promise<Set<number>> {
    const ids = notices.filter(({ event }) => event === 'delivery.failing').map(({ data }) => Number(data.deliveryId));
    if (ids.length === 0) return new Set();
    const rows = await tx.findBy(Delivery, [
      { id: In(ids), state: In(['failing', 'removing', 'rolled-back', 'delivered']), fault: Not(IsNull()) },
      { id: In(ids), state: 'delivered', verification: 'differs' },
    ]);
    return new Set(rows.map(({ id }) => id));
  }
}

function certificateIdsOf(notices: readonly Notice[]): number[] {
  return notices.flatMap(({ certificateId }) => certificateId ?? []);
}
