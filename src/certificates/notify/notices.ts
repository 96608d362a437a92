import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import type { NoticeEvent } from '../../plugin-api/events.js';
import type { OverdueLists } from '../../revocation/crl.repository.js';
import { NoticeRepository, type Occurrence, type WrittenNotice } from './notice.repository.js';
import { enqueueMessages, type MessageToSend } from './send-notices.job.js';

/** A warning `leadDays` before an authority expires. */
export interface EndingAuthorityNotice {
  authorityId: number;
  owner: string;
  leadDays: number;
  notAfter: Date;
}

/** `successor` is deployed at these destinations, in the place of `old`. */
export interface Rotation {
  old: Certificate;
  successor: Certificate;
  destinationIds: readonly number[];
}

/** An event of one certificate. */
interface Happening {
  event: NoticeEvent;
  dedupeKey: string;
  data?: Record<string, unknown>;
}

/**
 * Writes the notices of an event, for the owner and the subscriptions, in the transaction of the change. A job sends
 * them after the commit.
 */
@Injectable()
export class Notices {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly notices: NoticeRepository,
  ) {}

  /**
   * Successors are deployed. Without a destination the message asks for a deployment by hand. Subscriptions are told of
   * every certificate that is replaced, since each may have an open alert; the owner only of the one that was renewed.
   */
  async rotated(tx: Tx, rotations: readonly Rotation[]): Promise<void> {
    await this.record(
      tx,
      rotations.map(({ old, successor, destinationIds }) => {
        const event = destinationIds.length > 0 ? 'certificate.rotated' : 'certificate.no-destination';
        const isRenewed = old.id === successor.renewsId;
        const happening = occurrence(successor, {
          event,
          dedupeKey: `${event}:${successor.id}${isRenewed ? '' : `:${old.id}`}`,
          data: { oldId: old.id, destinationIds },
        });
        return isRenewed ? happening : { ...happening, tell: [] };
      }),
    );
  }

  /** Drops the owner's notice that these successors are deployed. Subscriptions still get theirs. */
  async withholdRotated(tx: Tx, successorIds: readonly number[]): Promise<void> {
    const events = ['certificate.rotated', 'certificate.no-destination'] as const;
    const written = await this.notices.add(
      tx,
      successorIds.flatMap((certificateId) =>
        events.map((event) => ({ certificateId, subscriptionId: null, event, dedupeKey: `${event}:${certificateId}` })),
      ),
      this.clock.now(),
    );
    if (written.length === 0) return;
    const ids = written.map(({ id }) => id);
    const rows = await this.notices.getMany(tx, ids);
    rows.forEach((notice) => notice.drop());
    await this.notices.save(tx, rows);
  }

  /** A renewal has failed. Only the 1st, 4th, 8th, 16th … consecutive failure gives notices. */
  async rotationFailed(tx: Tx, certificate: Certificate): Promise<void> {
    const { renewalAttempts: n } = certificate;
    if (n !== 1 && (n < 4 || (n & (n - 1)) !== 0)) return;
    const dedupeKey = `certificate.rotation-failed:${certificate.id}:${n}:${this.today()}`;
    await this.tell(tx, certificate, { event: 'certificate.rotation-failed', dedupeKey });
  }

  async revoked(tx: Tx, certificate: Certificate): Promise<void> {
    await this.tell(tx, certificate, {
      event: 'certificate.revoked',
      dedupeKey: `certificate.revoked:${certificate.id}`,
    });
  }

  /** A scan has seen it at endpoints that should not serve it. One notice for each scan that finds more of them. */
  async stillServed(
    tx: Tx,
    certificate: Certificate,
    { reason, endpointIds, syncId }: { reason: string; endpointIds: readonly number[]; syncId: number },
  ): Promise<void> {
    await this.tell(tx, certificate, {
      event: 'certificate.still-served',
      dedupeKey: `certificate.still-served:${certificate.id}:${reason}:${syncId}`,
      data: { reason, endpointIds },
    });
  }

  /** A log shows certificates of one owner that nobody requested here: one message about all for each who hears. */
  async unexpected(tx: Tx, certificates: readonly Certificate[]): Promise<void> {
    const event = 'certificate.unexpected';
    const written = await this.notices.addSubscribed(
      tx,
      certificates.map((one) => occurrence(one, { event, dedupeKey: `${event}:${one.id}` })),
      this.clock.now(),
    );
    await enqueueMessages(tx, bySubscription(written));
  }

  /** The certificate has a new owner, who has not accepted it yet. At most once a day. */
  async handedOver(tx: Tx, certificate: Certificate, formerOwner: string): Promise<void> {
    const { id, owner } = certificate;
    const dedupeKey = `certificate.handed-over:${id}:${owner}:${this.today()}`;
    await this.tell(tx, certificate, { event: 'certificate.handed-over', dedupeKey, data: { formerOwner } });
  }

  /** The holder of the private key took the certificate over. Tells the former owner, whose warnings have ended. */
  async takenOver(tx: Tx, certificate: Certificate, formerOwner: string): Promise<void> {
    if (formerOwner === certificate.owner) return;
    const dedupeKey = `certificate.taken-over:${certificate.id}:${formerOwner}`;
    await this.tell(tx, certificate, { event: 'certificate.taken-over', dedupeKey, data: { formerOwner } });
  }

  /** A delivery or removal has failed several times in a row. Call it once for each such row of failures. */
  async deliveryFailing(tx: Tx, certificate: Certificate, delivery: { id: number }): Promise<void> {
    const dedupeKey = `delivery.failing:${delivery.id}:${this.clock.now().getTime()}`;
    await this.tell(tx, certificate, { event: 'delivery.failing', dedupeKey, data: { deliveryId: delivery.id } });
  }

  /** A certificate was delivered and is not in use. Call it once each time that this begins. */
  async deliveryUnverified(tx: Tx, certificate: Certificate, { id }: { id: number }): Promise<void> {
    const dedupeKey = `delivery.unverified:${id}:${this.clock.now().getTime()}`;
    await this.tell(tx, certificate, { event: 'delivery.failing', dedupeKey, data: { deliveryId: id } });
  }

  /** An authority expires soon. One mail to the owner and the security team for each lead (days) and notAfter. */
  async authorityExpiring(tx: Tx, { authorityId, owner, leadDays, notAfter }: EndingAuthorityNotice): Promise<void> {
    const notAfterMs = notAfter.getTime();
    await this.record(tx, [
      {
        event: 'authority.expiring',
        certificateId: null,
        authorityId,
        owner,
        tell: [owner, ...(this.config.securityTeamEmail ?? [])],
        dedupeKey: `authority.expiring:${authorityId}:${leadDays}:${notAfterMs}`,
        data: { leadDays, notAfterMs },
      },
    ]);
  }

  /** CRLs of an authority are overdue. Told once until the first of them ends, and once more when it has ended. */
  async crlOverdue(tx: Tx, { authorityId, owner, nextUpdate }: OverdueLists): Promise<void> {
    const isOver = nextUpdate !== null && nextUpdate <= this.clock.now();
    await this.record(tx, [
      {
        event: 'crl.overdue',
        certificateId: null,
        authorityId,
        owner,
        tell: [owner, ...(this.config.securityTeamEmail ?? [])],
        dedupeKey: `crl.overdue:${authorityId}:${isOver ? 'ended' : 'overdue'}:${nextUpdate?.getTime() ?? 'never'}`,
        data: {},
      },
    ]);
  }

  /**
   * The program paused this version of a run over many certificates. `to`: the addresses of the people behind it; the
   * first is taken for its owner.
   */
  async runPaused(
    tx: Tx,
    { id, kind, version, to }: { id: number; kind: string; version: number; to: readonly string[] },
  ): Promise<void> {
    await this.record(tx, [
      {
        event: 'run.paused',
        certificateId: null,
        authorityId: null,
        owner: to[0] ?? '',
        tell: [...to, ...(this.config.securityTeamEmail ?? [])],
        dedupeKey: `run.paused:${kind}:${id}:${version}`,
        data: { runId: id },
      },
    ]);
  }

  /** A revoked certificate is still at a destination whose plugin cannot remove it. */
  async deliveryLeft(
    tx: Tx,
    certificate: Certificate,
    { id, destinationId }: { id: number; destinationId: number },
  ): Promise<void> {
    await this.tell(tx, certificate, {
      event: 'delivery.left',
      dedupeKey: `delivery.left:${id}`,
      data: { destinationIds: [destinationId] },
    });
  }

  /**
   * Tells the subscriptions, not the owners, of an event that each certificate has once: one message for each
   * subscription, or with `separately` one for each certificate too.
   */
  async tellSubscriptions(
    tx: Tx,
    event: 'certificate.issued' | 'certificate.discovered',
    certificateIds: readonly number[],
    separately = false,
  ): Promise<void> {
    if (certificateIds.length === 0) return;
    const written = await this.notices.addSubscribedOnce(tx, event, certificateIds, this.clock.now());
    await enqueueMessages(tx, separately ? written.map(alone) : bySubscription(written));
  }

  /** The order failed, or passed its deadline. For a renewal, call `rotationFailed`. */
  async orderEnded(tx: Tx, certificate: Certificate, event: 'order.failed' | 'order.overdue'): Promise<void> {
    await this.tell(tx, certificate, { event, dedupeKey: `${event}:${certificate.id}` });
  }

  /** The issuer's answer differs from the request; a person must decide. */
  async orderDisputed(tx: Tx, certificate: Certificate, { serialHex }: { serialHex: string }): Promise<void> {
    const dedupeKey = `order.disputed:${certificate.id}:${serialHex}`;
    await this.tell(tx, certificate, { event: 'order.disputed', dedupeKey, data: { serialHex } });
  }

  /** The CA did not cancel the order, or did not revoke the certificate, and is not asked any more. */
  async withdrawalGivenUp(tx: Tx, certificate: Certificate, { id }: { id: number }): Promise<void> {
    const event = 'withdrawal.given-up';
    await this.tell(tx, certificate, { event, dedupeKey: `${event}:${id}`, data: { withdrawalId: id } });
  }

  /** The day in UTC, for events that are told once a day. */
  private today(): string {
    return this.clock.now().toISOString().slice(0, 10);
  }

  private async tell(tx: Tx, certificate: Certificate, event: Happening): Promise<void> {
    await this.record(tx, [occurrence(certificate, event)]);
  }

  private async record(tx: Tx, occurrences: readonly Occurrence[]): Promise<void> {
    const written = await this.notices.addSubscribed(tx, occurrences, this.clock.now());
    await enqueueMessages(tx, written.map(alone));
  }
}

function alone({ id, channelId }: WrittenNotice): MessageToSend {
  return { noticeIds: [id], channelId };
}

/** One message for each subscription, and one for the owner. */
function bySubscription(notices: readonly WrittenNotice[]): MessageToSend[] {
  const messages = new Map<number | null, MessageToSend>();
  for (const { id, subscriptionId, channelId } of notices) {
    const { noticeIds } = messages.get(subscriptionId) ?? { noticeIds: [] };
    messages.set(subscriptionId, { noticeIds: [...noticeIds, id], channelId });
  }
  return [...messages.values()];
}

function occurrence(certificate: Certificate, { event, dedupeKey, data = {} }: Happening): Occurrence {
  const { id, owner, authorityId } = certificate;
  const told = event === 'certificate.taken-over' ? String(data.formerOwner) : owner;
  const tell = told.includes('@') ? [told] : [];
  return { event, certificateId: id, authorityId, owner, tell, dedupeKey, data };
}
