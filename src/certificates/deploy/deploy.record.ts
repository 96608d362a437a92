import { Injectable } from '@nestjs/common';
import { PluginError } from '../../plugin-api/errors.js';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf } from '../failure.js';
import { Notices } from '../notify/notices.js';
import type { Attempt } from './deploy.job.js';
import { Deploying } from './deploying.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';

/** An attempt that says nothing more is made again after this time. */
const attemptMs = 10 * 60_000;
/** From this failure in a row on, the owner is told. */
const tellAfter = 5;

/** What a delivery means for other certificates and for people. */
@Injectable()
export class DeployConsequences {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly notices: Notices,
  ) {}

  settle(tx: Tx, certificateId: number): Promise<void> {
    return this.deploying.settle(tx, certificateId);
  }

  /** True when `newId` replaces `oldId`, over any number of renewals. */
  async isPredecessor(tx: Tx, oldId: number, newId: number): Promise<boolean> {
    return this.certificates.replacesInLine(tx, newId, oldId);
  }

  /** An old certificate has just been written over its successor, because its delivery was under way: deliver that again. */
  async repair(tx: Tx, oldId: number, destinationId: number): Promise<void> {
    const successor = await this.certificates.findSuccessor(tx, oldId);
    const standing = successor && await this.deliveries.findOf(tx, successor.id, destinationId);
    if (!standing || standing.state !== 'delivered') return;
    await this.deliveries.change(tx, standing.id, (delivery) => delivery.retry(this.clock.now()));
    await this.deploying.start(tx, [standing.id]);
  }

  async tellFailing(tx: Tx, delivery: Delivery): Promise<void> {
    await this.notices.deliveryFailing(tx, await this.certificates.get(tx, delivery.certificateId), delivery);
  }
}

/** What is written down before and after an attempt to deliver. Locks the certificate first, then deliveries. */
@Injectable()
export class DeployRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly consequences: DeployConsequences,
  ) {}

  /** What to attempt; null when there is nothing to do any more. */
  begin(deliveryId: number, prepare: (tx: Tx, delivery: Delivery, certificate: Certificate) => Promise<Attempt>): Promise<Attempt | null> {
    return this.db.write((tx) => this.deliveries.change(tx, deliveryId, async (delivery) => {
      if (!delivery.open) return null;
      const certificate = await this.certificates.get(tx, delivery.certificateId);
      if (delivery.state !== 'removing' && certificate.bodyPem === null) return null;
      const now = this.clock.now();
      delivery.begin(now, new Date(now.getTime() + attemptMs));
      return prepare(tx, delivery, certificate);
    }));
  }

  /** Throws PluginError `misconfigured` when a certificate of another line stands there. */
  async claimLocation({ certificateId, target }: Attempt, location: string): Promise<void> {
    const standing = await this.deliveries.findAt(this.db.single, target.destination.id, location);
    if (!standing || standing.certificateId === certificateId) return;
    if (await this.consequences.isPredecessor(this.db.single, standing.certificateId, certificateId)) return;
    const other = await this.certificates.get(this.db.single, standing.certificateId);
    throw new PluginError('misconfigured', `Certificate ${other.name} stands at ${location} already; detach it or let this one replace it.`);
  }

  arrived({ deliveryId, certificateId, target }: Attempt, location: string): Promise<void> {
    return this.db.write(async (tx) => {
      await this.certificates.lock(tx, certificateId);
      const overtaken = await this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (!delivery.open || delivery.state === 'removing') return delivery.state !== 'removing';
        const standing = await this.deliveries.findAt(tx, target.destination.id, location);
        if (standing && standing.id !== deliveryId) await this.deliveries.change(tx, standing.id, (old) => old.replace());
        delivery.arrive(location, this.clock.now());
        return false;
      });
      if (overtaken) await this.consequences.repair(tx, certificateId, target.destination.id);
      else await this.consequences.settle(tx, certificateId);
    });
  }

  async failed({ deliveryId }: Attempt, error: unknown): Promise<void> {
    await this.db.write((tx) => this.deliveries.change(tx, deliveryId, async (delivery) => {
      if (!delivery.open) return;
      delivery.fail(failureOf(error), this.clock.now());
      if (delivery.attempts === tellAfter) await this.consequences.tellFailing(tx, delivery);
    }));
  }

  async removed({ deliveryId }: Attempt): Promise<void> {
    await this.db.write((tx) => this.deliveries.change(tx, deliveryId, (delivery) => {
      if (delivery.state === 'removing') delivery.removed();
    }));
  }
}
