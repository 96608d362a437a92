import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf } from '../failure.js';
import { Notices } from '../notify/notices.js';
import { Successors } from '../successors.js';
import type { Attempt } from './deploy.job.js';
import { type DeliveryEvent, Deploying } from './deploying.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';

/** An attempt that says nothing more is made again after this time. */
const attemptMs = 10 * 60_000;
/** How long an attempt waits for another one that is at the same place. */
const queueMs = 5_000;
/** How often it is looked whether a revoked certificate can leave. */
const leaveMs = 60_000;
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
    private readonly successors: Successors,
    private readonly notices: Notices,
  ) {}

  settle(tx: Tx, certificateId: number): Promise<void> {
    return this.successors.settle(tx, certificateId);
  }

  /** True when `newId` replaces `oldId`, over any number of renewals. */
  async isPredecessor(tx: Tx, oldId: number, newId: number): Promise<boolean> {
    return this.certificates.replacesInLine(tx, newId, oldId);
  }

  /**
   * An old certificate has just been written over its successor, because its delivery was under way: deliver that
   * again.
   */
  async repair(tx: Tx, oldId: number, standing: Delivery): Promise<void> {
    if (!(await this.isPredecessor(tx, oldId, standing.certificateId))) return;
    await this.deliveries.change(tx, standing.id, (delivery) => delivery.retry(this.clock.now()));
    await this.deploying.start(tx, [standing.id]);
  }

  /**
   * True when a revoked certificate can be removed: no successor is to be issued, and no other of its line is on its
   * way to the destination. Otherwise it is looked at again later.
   */
  async makesWay(tx: Tx, delivery: Delivery, { id, toReplace, notAfter }: Certificate): Promise<boolean> {
    const now = this.clock.now();
    const isNeeded = toReplace && notAfter > now;
    if (!isNeeded && !(await this.deliveries.isAwaited(tx, id, delivery.destinationId))) return true;
    delivery.postpone(new Date(now.getTime() + leaveMs));
    return false;
  }

  /** Another of the line has arrived: what is revoked leaves that destination. */
  async letRevokedLeave(tx: Tx, { certificateId, destinationId }: Delivery): Promise<void> {
    await this.deploying.start(tx, await this.deliveries.leaving(tx, certificateId, destinationId));
  }

  /** A delivery has ended that is not wanted any more, after its removal or beside it: what it wrote is removed. */
  async takeBackLate(tx: Tx, delivery: Delivery): Promise<void> {
    if (delivery.state !== 'removed' && delivery.state !== 'stopped') return;
    const others = await this.deliveries.of(tx, delivery.certificateId);
    const isWantedAgain = others.some(
      (other) =>
        other.id !== delivery.id && other.destinationId === delivery.destinationId && other.state !== 'removed',
    );
    if (isWantedAgain) return;
    delivery.remove(this.clock.now());
    await this.deploying.start(tx, [delivery.id]);
  }

  note(tx: Tx, action: DeliveryEvent, delivery: Delivery, detail?: string): Promise<void> {
    return this.deploying.note(tx, action, delivery, undefined, detail);
  }

  async tellLeft(tx: Tx, delivery: Delivery): Promise<void> {
    const certificate = await this.certificates.get(tx, delivery.certificateId);
    if (certificate.state === 'revoked') await this.notices.deliveryLeft(tx, certificate, delivery);
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
  begin(
    deliveryId: number,
    prepare: (tx: Tx, delivery: Delivery, certificate: Certificate) => Promise<Attempt>,
  ): Promise<Attempt | null> {
    return this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        const now = this.clock.now();
        const certificate = await this.certificates.get(tx, delivery.certificateId);
        if (delivery.state === 'leaving' && (await this.consequences.makesWay(tx, delivery, certificate)))
          delivery.remove(now);
        if (!delivery.open) return null;
        if (delivery.state !== 'removing' && certificate.state !== 'issued') {
          if (certificate.bodyPem !== null) delivery.stop();
          return null;
        }
        delivery.begin(now, new Date(now.getTime() + attemptMs));
        return prepare(tx, delivery, certificate);
      }),
    );
  }

  /**
   * How it stands now that nobody else is at the place; null when it was done, replaced or turned round since the
   * attempt began.
   */
  async stillWanted({ deliveryId, removal }: Attempt): Promise<Delivery | null> {
    const delivery = await this.deliveries.find(this.db.single, deliveryId);
    return delivery?.open && removal === (delivery.state === 'removing') ? delivery : null;
  }

  /**
   * The certificate that stands at the location and must not be touched: for a delivery one of another line, for a
   * removal any other.
   */
  async otherAt({ certificateId, removal, target }: Attempt, location: string): Promise<Certificate | null> {
    const standing = await this.deliveries.findAt(this.db.single, target.destination.id, location);
    if (!standing || standing.certificateId === certificateId) return null;
    if (!removal && (await this.consequences.isPredecessor(this.db.single, standing.certificateId, certificateId)))
      return null;
    return this.certificates.get(this.db.single, standing.certificateId);
  }

  /** Another attempt is at the same place. */
  async postponed({ deliveryId }: Attempt): Promise<void> {
    const at = new Date(this.clock.now().getTime() + queueMs);
    await this.db.write((tx) => this.deliveries.change(tx, deliveryId, (delivery) => delivery.postpone(at)));
  }

  arrived({ deliveryId, certificateId, target }: Attempt, location: string): Promise<void> {
    return this.db.write(async (tx) => {
      await this.certificates.lock(tx, certificateId);
      const standing = await this.deliveries.findAt(tx, target.destination.id, location);
      const inForce = await this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (!delivery.noteArrival(location)) {
          await this.consequences.takeBackLate(tx, delivery);
          return false;
        }
        if (standing && standing.id !== deliveryId)
          await this.deliveries.change(tx, standing.id, (old) => old.replace());
        delivery.arrive(this.clock.now());
        await this.consequences.note(tx, 'delivery.arrived', delivery);
        await this.consequences.letRevokedLeave(tx, delivery);
        return true;
      });
      if (inForce) await this.consequences.settle(tx, certificateId);
      else if (standing) await this.consequences.repair(tx, certificateId, standing);
    });
  }

  async failed({ deliveryId, removal }: Attempt, error: unknown): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        // What failed can have been written all the same, after the removal.
        if (!removal) await this.consequences.takeBackLate(tx, delivery);
        if (!delivery.open || removal !== (delivery.state === 'removing')) return;
        delivery.fail(failureOf(error), this.clock.now());
        // The first failure says why; of those that follow, the delivery itself keeps the last.
        if (delivery.attempts === 1)
          await this.consequences.note(tx, 'delivery.failed', delivery, delivery.faultDetail ?? undefined);
        if (delivery.attempts === tellAfter) await this.consequences.tellFailing(tx, delivery);
      }),
    );
  }

  async removed({ deliveryId }: Attempt): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (delivery.state !== 'removing') return;
        delivery.removed();
        await this.consequences.note(tx, 'delivery.removed', delivery);
      }),
    );
  }

  /** The destination can remove nothing: that is on record, and of a revoked certificate the owner is told. */
  async left({ deliveryId, target }: Attempt): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (delivery.state !== 'removing') return;
        delivery.leave(`${target.plugin.title} can remove nothing: remove it by hand.`);
        await this.consequences.note(tx, 'delivery.left', delivery, delivery.faultDetail ?? undefined);
        await this.consequences.tellLeft(tx, delivery);
      }),
    );
  }
}
