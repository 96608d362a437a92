import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import type { NoticeEvent } from '../../plugin-api/events.js';
import { NoticeRepository, type Occurrence } from './notice.repository.js';
import { sendNotices } from './notify.jobs.js';

/** The end of an authority, as it is told `leadDays` before. */
export interface EndingAuthorityNotice {
  authorityId: number;
  owner: string;
  leadDays: number;
  notAfter: Date;
}

/**
 * Records what the owner and the subscriptions must be told, in the transaction in which it happens; it is sent after
 * the commit.
 */
@Injectable()
export class Notices {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly notices: NoticeRepository,
  ) {}

  /** A successor is in place. Without any destination someone has to put it there by hand, and is told so. */
  async rotated(tx: Tx, old: Certificate, successor: Certificate, destinationIds: readonly number[]): Promise<void> {
    const event = destinationIds.length > 0 ? 'certificate.rotated' : 'certificate.no-destination';
    await this.tell(tx, successor, {
      event,
      dedupeKey: `${event}:${successor.id}`,
      data: { oldId: old.id, destinationIds },
    });
  }

  /** The owner is not told that this successor is in place: the ledger says so beforehand. Subscriptions are. */
  async withholdRotated(tx: Tx, successorId: number): Promise<void> {
    const events = ['certificate.rotated', 'certificate.no-destination'] as const;
    const ids = await this.notices.add(
      tx,
      events.map((event) => ({
        certificateId: successorId,
        subscriptionId: null,
        event,
        dedupeKey: `${event}:${successorId}`,
      })),
      this.clock.now(),
    );
    const rows = await this.notices.getMany(tx, ids);
    rows.forEach((notice) => notice.drop());
    await this.notices.save(tx, rows);
  }

  /** Told at the first failure and then ever more rarely: at the 4th, 8th, 16th … in a row. */
  async rotationFailed(tx: Tx, certificate: Certificate): Promise<void> {
    const { renewalAttempts: n } = certificate;
    if (n !== 1 && (n < 4 || (n & (n - 1)) !== 0)) return;
    const dedupeKey = `certificate.rotation-failed:${certificate.id}:${n}:${this.clock.now().toISOString().slice(0, 10)}`;
    await this.tell(tx, certificate, { event: 'certificate.rotation-failed', dedupeKey });
  }

  async revoked(tx: Tx, certificate: Certificate): Promise<void> {
    await this.tell(tx, certificate, {
      event: 'certificate.revoked',
      dedupeKey: `certificate.revoked:${certificate.id}`,
    });
  }

  /** It has come to an owner whose role nobody there has lent to it yet; told once a day at most. */
  async handedOver(tx: Tx, certificate: Certificate, formerOwner: string): Promise<void> {
    const { id, owner } = certificate;
    const dedupeKey = `certificate.handed-over:${id}:${owner}:${this.clock.now().toISOString().slice(0, 10)}`;
    await this.tell(tx, certificate, { event: 'certificate.handed-over', dedupeKey, data: { formerOwner } });
  }

  /** Who has shown its private key took it over: told to the former owner, whose warnings have ended. */
  async takenOver(tx: Tx, certificate: Certificate, formerOwner: string): Promise<void> {
    if (formerOwner === certificate.owner) return;
    const dedupeKey = `certificate.taken-over:${certificate.id}:${formerOwner}`;
    await this.tell(tx, certificate, { event: 'certificate.taken-over', dedupeKey, data: { formerOwner } });
  }

  async deliveryFailing(tx: Tx, certificate: Certificate, delivery: { id: number }): Promise<void> {
    const dedupeKey = `delivery.failing:${delivery.id}:${this.clock.now().toISOString().slice(0, 10)}`;
    await this.tell(tx, certificate, { event: 'delivery.failing', dedupeKey, data: { deliveryId: delivery.id } });
  }

  /**
   * An authority ends. The owner and the security team are told in one mail, once for each lead (days) and end.
   */
  async authorityExpiring(tx: Tx, { authorityId, owner, leadDays, notAfter }: EndingAuthorityNotice): Promise<void> {
    const notAfterMs = notAfter.getTime();
    await this.record(tx, {
      event: 'authority.expiring',
      certificateId: null,
      authorityId,
      owner,
      tell: [owner, ...(this.config.securityTeamEmail ?? [])],
      dedupeKey: `authority.expiring:${authorityId}:${leadDays}:${notAfterMs}`,
      data: { leadDays, notAfterMs },
    });
  }

  /** A revoked certificate is still at a destination that can remove nothing. */
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
   * Tells subscriptions alone of an event that comes once in the life of these certificates: one message for each
   * subscription.
   */
  async tellSubscriptions(
    tx: Tx,
    event: 'certificate.issued' | 'certificate.discovered',
    certificateIds: readonly number[],
  ): Promise<void> {
    if (certificateIds.length === 0) return;
    const ids = await this.notices.addHeardOnce(tx, event, certificateIds, this.clock.now());
    await sendNotices.enqueueMany(
      tx,
      [...ids.values()].map((noticeIds) => ({ data: { noticeIds } })),
    );
  }

  /** The deadline of its order has passed. Of a renewal `rotationFailed` says so. */
  async orderOverdue(tx: Tx, certificate: Certificate): Promise<void> {
    await this.tell(tx, certificate, { event: 'order.overdue', dedupeKey: `order.overdue:${certificate.id}` });
  }

  /** Its issuer returned something else than was asked for, and a person must decide. */
  async orderDisputed(tx: Tx, certificate: Certificate, { serialHex }: { serialHex: string }): Promise<void> {
    const dedupeKey = `order.disputed:${certificate.id}:${serialHex}`;
    await this.tell(tx, certificate, { event: 'order.disputed', dedupeKey, data: { serialHex } });
  }

  /** The CA did not cancel the order, or did not revoke the certificate, and is not asked any more. */
  async withdrawalGivenUp(tx: Tx, certificate: Certificate, { id }: { id: number }): Promise<void> {
    const event = 'withdrawal.given-up';
    await this.tell(tx, certificate, { event, dedupeKey: `${event}:${id}`, data: { withdrawalId: id } });
  }

  private async tell(
    tx: Tx,
    certificate: Certificate,
    { event, dedupeKey, data = {} }: { event: NoticeEvent; dedupeKey: string; data?: Record<string, unknown> },
  ): Promise<void> {
    const { id, owner, authorityId } = certificate;
    const told = event === 'certificate.taken-over' ? String(data.formerOwner) : owner;
    await this.record(tx, {
      event,
      certificateId: id,
      authorityId,
      owner,
      tell: told.includes('@') ? [told] : [],
      dedupeKey,
      data,
    });
  }

  private async record(tx: Tx, occurrence: Occurrence): Promise<void> {
    for (const id of await this.notices.addHeard(tx, occurrence, this.clock.now()))
      await sendNotices.enqueue(tx, { noticeIds: [id] });
  }
}
