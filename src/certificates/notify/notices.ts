import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import type { NoticeEvent } from './notice.entity.js';
import { NoticeRepository } from './notice.repository.js';
import { sendNotices } from './notify.jobs.js';

/** Writes what the owner must be told, in the transaction in which it happens; it is sent after the commit. */
@Injectable()
export class Notices {
  constructor(
    private readonly clock: Clock,
    private readonly notices: NoticeRepository,
  ) {}

  /** A successor is in place. Without any destination someone has to put it there by hand, and is told so. */
  async rotated(tx: Tx, old: Certificate, successor: Certificate, destinationIds: readonly number[]): Promise<void> {
    const event = destinationIds.length > 0 ? 'certificate.rotated' : 'certificate.no-destination';
    await this.tell(tx, successor, event, `${event}:${successor.id}`, { oldId: old.id, destinationIds });
  }

  /** Of this successor nobody is told that it is in place: the ledger says so beforehand. */
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
    const key = `certificate.rotation-failed:${certificate.id}:${n}:${this.clock.now().toISOString().slice(0, 10)}`;
    await this.tell(tx, certificate, 'certificate.rotation-failed', key, {});
  }

  async revoked(tx: Tx, certificate: Certificate): Promise<void> {
    await this.tell(tx, certificate, 'certificate.revoked', `certificate.revoked:${certificate.id}`, {});
  }

  /** It has come to an owner whose role nobody there has lent to it yet; told once a day at most. */
  async handedOver(tx: Tx, certificate: Certificate, formerOwner: string): Promise<void> {
    const { id, owner } = certificate;
    const key = `certificate.handed-over:${id}:${owner}:${this.clock.now().toISOString().slice(0, 10)}`;
    await this.tell(tx, certificate, 'certificate.handed-over', key, { formerOwner });
  }

  /** Who has shown its private key took it over: told to the former owner, whose warnings have ended. */
  async takenOver(tx: Tx, certificate: Certificate, formerOwner: string): Promise<void> {
    if (formerOwner === certificate.owner || !formerOwner.includes('@')) return;
    const key = `certificate.taken-over:${certificate.id}:${formerOwner}`;
    await this.tell(tx, certificate, 'certificate.taken-over', key, { formerOwner });
  }

  async deliveryFailing(tx: Tx, certificate: Certificate, delivery: { id: number }): Promise<void> {
    const key = `delivery.failing:${delivery.id}:${this.clock.now().toISOString().slice(0, 10)}`;
    await this.tell(tx, certificate, 'delivery.failing', key, { deliveryId: delivery.id });
  }

  /** A revoked certificate is still at a destination that can remove nothing. */
  async deliveryLeft(
    tx: Tx,
    certificate: Certificate,
    { id, destinationId }: { id: number; destinationId: number },
  ): Promise<void> {
    await this.tell(tx, certificate, 'delivery.left', `delivery.left:${id}`, { destinationIds: [destinationId] });
  }

  /** The deadline of its order has passed. Of a renewal `rotationFailed` says so. */
  async orderOverdue(tx: Tx, certificate: Certificate): Promise<void> {
    await this.tell(tx, certificate, 'order.overdue', `order.overdue:${certificate.id}`, {});
  }

  /** Its issuer returned something else than was asked for, and a person must decide. */
  async orderDisputed(tx: Tx, certificate: Certificate, { serialHex }: { serialHex: string }): Promise<void> {
    await this.tell(tx, certificate, 'order.disputed', `order.disputed:${certificate.id}:${serialHex}`, { serialHex });
  }

  private async tell(
    tx: Tx,
    certificate: Certificate,
    event: NoticeEvent,
    dedupeKey: string,
    data: Record<string, unknown>,
  ): Promise<void> {
    if (!certificate.owner.includes('@')) return;
    const noticeIds = await this.notices.add(
      tx,
      [{ certificateId: certificate.id, subscriptionId: null, event, dedupeKey, data }],
      this.clock.now(),
    );
    if (noticeIds.length > 0) await sendNotices.enqueue(tx, { noticeIds });
  }
}
