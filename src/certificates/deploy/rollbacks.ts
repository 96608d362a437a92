import { Injectable } from '@nestjs/common';
import type { ReadyDestination } from '../../destinations/destinations.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { DeliveryRepository } from './delivery.repository.js';
import { Deploying } from './deploying.js';

/**
 * A predecessor is of use only if it is valid for so long, or a tenth of its lifetime if that is shorter; the successor
 * is tried again when it no longer is.
 */
const reserveMs = 24 * 3_600_000;

/** What happens when a delivered certificate is not in use: the predecessor is delivered again, and people are told. */
@Injectable()
export class Rollbacks {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly notices: Notices,
  ) {}

  /**
   * A new delivery did not come into use in time: delivers the predecessor again that was at the location, where it is
   * still valid. Otherwise the certificate stays, and is checked further.
   */
  async start(tx: Tx, deliveryId: number, { needsPrivateKey }: ReadyDestination): Promise<void> {
    const now = this.clock.now();
    const delivery = await this.deliveries.get(tx, deliveryId);
    const old = await this.deliveries.findPredecessorAt(tx, delivery, { now, reserveMs, needsPrivateKey });
    if (old) {
      await this.deliveries.change(tx, deliveryId, async (row) => {
        row.rollBack(row.verificationDetail ?? '', old.usefulUntil);
        await this.deploying.note(tx, 'delivery.rolled-back', row, { detail: row.faultDetail ?? undefined });
      });
      await this.deliveries.change(tx, old.id, (row) => row.stay(now));
      await this.deploying.start(tx, [old.id]);
    }
    await this.alarm(tx, deliveryId);
  }

  /**
   * A certificate is no longer in use: people are told, or it is delivered again if the destination says so. When it
   * has expired, it is good that another one is in use.
   */
  async drifted(tx: Tx, deliveryId: number, { destination }: ReadyDestination): Promise<void> {
    const { certificateId } = await this.deliveries.get(tx, deliveryId);
    const { notAfter } = await this.certificates.get(tx, certificateId);
    const now = this.clock.now();
    if (notAfter <= now) return;
    await this.deliveries.change(tx, deliveryId, async (row) => {
      await this.deploying.note(tx, 'delivery.drifted', row, { detail: row.verificationDetail ?? undefined });
      if (destination.repush) row.retry(now);
    });
    if (destination.repush) await this.deploying.start(tx, [deliveryId]);
    else await this.alarm(tx, deliveryId);
  }

  private async alarm(tx: Tx, deliveryId: number): Promise<void> {
    const delivery = await this.deliveries.get(tx, deliveryId);
    await this.notices.deliveryUnverified(tx, await this.certificates.get(tx, delivery.certificateId), delivery);
  }
}
