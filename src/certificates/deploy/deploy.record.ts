import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { ReadyDestination } from '../../destinations/destinations.js';
import type { Bundle, ExportedFile } from '../../plugin-api/export.js';
import { Clock } from '../../platform/clock.js';
import { Database, sqlState, type Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf } from '../failure.js';
import { Notices } from '../notify/notices.js';
import { Successors } from '../successors.js';
import { Deploying } from './deploying.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';

/** One attempt to deliver a certificate, or to remove it from `location`, where it is known to be. */
export interface Attempt {
  deliveryId: number;
  certificateId: number;
  /** The owner of the certificate. */
  owner: string;
  removal: boolean;
  location: string | null;
  target: ReadyDestination;
  bundle: Bundle;
}

/** An attempt that crashed without an answer is repeated after this time. */
const attemptMs = 10 * 60_000;
/** Interval at which a revoked certificate is checked again for its removal. */
const leaveMs = 60_000;
/** The owner gets a notice after so many consecutive failures. */
const tellAfter = 5;

/**
 * Stores the start and the outcome of each attempt to deliver or remove. Locks the certificate first, then deliveries.
 */
@Injectable()
export class DeployRecord {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly successors: Successors,
    private readonly notices: Notices,
  ) {}

  /**
   * Starts the attempt that `prepare` makes. Null when there is nothing to do, or when `prepare` throws: then the
   * delivery has failed, and nothing was sent.
   */
  begin(
    deliveryId: number,
    prepare: (tx: Tx, delivery: Delivery, certificate: Certificate) => Promise<Attempt>,
  ): Promise<Attempt | null> {
    return this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        const now = this.clock.now();
        const certificate = await this.certificates.get(tx, delivery.certificateId);
        if (delivery.state === 'leaving' && (await this.mayLeave(tx, delivery, certificate))) delivery.remove(now);
        if (!delivery.open) return null;
        if (delivery.state !== 'removing' && certificate.state !== 'issued') {
          if (certificate.bodyPem !== null) delivery.stop();
          return null;
        }
        try {
          const attempt = await prepare(tx, delivery, certificate);
          delivery.begin(now, new Date(now.getTime() + attemptMs));
          return attempt;
        } catch (error) {
          // A transaction in which a statement has failed can store nothing.
          if (sqlState(error) !== undefined) throw error;
          await this.noteFailure(tx, delivery, error);
          return null;
        }
      }),
    );
  }

  /**
   * Reads the delivery again under the lease. Null when it was delivered, replaced or reversed since the attempt
   * started.
   */
  async findWanted({ deliveryId, removal }: Attempt): Promise<Delivery | null> {
    const delivery = await this.deliveries.find(this.db.single, deliveryId);
    return delivery?.open && removal === (delivery.state === 'removing') ? delivery : null;
  }

  /**
   * The other certificate at the location that the attempt must not overwrite or remove: for a delivery, a certificate
   * that this one does not replace; for a removal, any other.
   */
  async findOtherAt({ certificateId, removal, target }: Attempt, location: string): Promise<Certificate | null> {
    const tx = this.db.single;
    const standing = await this.deliveries.findAt(tx, target.destination.id, location);
    if (!standing || standing.certificateId === certificateId) return null;
    if (!removal && (await this.certificates.replacesInLine(tx, certificateId, standing.certificateId))) return null;
    return this.certificates.get(tx, standing.certificateId);
  }

  /** These files are about to be written: stored first, so that a removal after a crash knows them. */
  async sending({ deliveryId }: Attempt, files: readonly ExportedFile[]): Promise<void> {
    const digests = files.map(({ name, bytes }) => ({
      name,
      sha256Hex: createHash('sha256').update(bytes).digest('hex'),
    }));
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, (delivery) => {
        delivery.files = digests;
      }),
    );
  }

  /** The certificate is at the location. A certificate of its line that was there is replaced. */
  arrived({ deliveryId, certificateId, target, bundle }: Attempt, location: string): Promise<void> {
    return this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [certificateId]);
      if (bundle.privateKeyPem !== undefined) await this.deploying.noteKey(tx, certificateId, target.destination.id);
      const standing = await this.deliveries.findAt(tx, target.destination.id, location);
      const counts = await this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (!delivery.noteArrival(location)) {
          await this.removeLate(tx, delivery);
          return false;
        }
        if (standing && standing.id !== deliveryId)
          await this.deliveries.change(tx, standing.id, (old) => old.replace());
        delivery.arrive(this.clock.now());
        await this.deploying.note(tx, 'delivery.arrived', delivery);
        await this.startLeaving(tx, delivery);
        return true;
      });
      if (counts) await this.successors.settle(tx, certificateId);
      else if (standing) await this.repair(tx, certificateId, standing);
    });
  }

  /** The attempt failed. It is retried later. */
  async failed({ deliveryId, removal }: Attempt, error: unknown): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        // A failed delivery may have written the certificate after its removal.
        if (!removal) await this.removeLate(tx, delivery);
        if (!delivery.open || removal !== (delivery.state === 'removing')) return;
        await this.noteFailure(tx, delivery, error);
      }),
    );
  }

  /** The certificate is no longer at the destination. */
  async removed({ deliveryId }: Attempt): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (delivery.state !== 'removing') return;
        delivery.removed();
        await this.deploying.note(tx, 'delivery.removed', delivery);
      }),
    );
  }

  /** The destination cannot remove the certificate. The owner of a revoked certificate gets a notice. */
  async left({ deliveryId, target }: Attempt): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (delivery.state !== 'removing') return;
        delivery.leave(`${target.plugin.title} can remove nothing: remove it by hand.`);
        await this.deploying.note(tx, 'delivery.left', delivery, { detail: delivery.faultDetail ?? undefined });
        const certificate = await this.certificates.get(tx, delivery.certificateId);
        if (certificate.state === 'revoked') await this.notices.deliveryLeft(tx, certificate, delivery);
      }),
    );
  }

  /** The history gets the first of consecutive failures; the delivery shows the last. */
  private async noteFailure(tx: Tx, delivery: Delivery, error: unknown): Promise<void> {
    delivery.fail(failureOf(error), this.clock.now());
    if (delivery.attempts === 1)
      await this.deploying.note(tx, 'delivery.failed', delivery, { detail: delivery.faultDetail ?? undefined });
    if (delivery.attempts === tellAfter)
      await this.notices.deliveryFailing(tx, await this.certificates.get(tx, delivery.certificateId), delivery);
  }

  /**
   * True when a revoked certificate can be removed: no successor will be issued, and no other certificate of its line
   * is still to arrive at the destination. Otherwise this is checked again later.
   */
  private async mayLeave(tx: Tx, delivery: Delivery, { id, toReplace, notAfter }: Certificate): Promise<boolean> {
    const now = this.clock.now();
    const awaitsSuccessor = toReplace && notAfter > now;
    if (!awaitsSuccessor && !(await this.deliveries.isAwaited(tx, id, delivery.destinationId))) return true;
    delivery.postpone(new Date(now.getTime() + leaveMs));
    return false;
  }

  /** A certificate of the line has arrived: the revoked ones are removed from the destination. */
  private async startLeaving(tx: Tx, { certificateId, destinationId }: Delivery): Promise<void> {
    await this.deploying.start(tx, await this.deliveries.leaving(tx, certificateId, destinationId));
  }

  /** A delivery arrived after its removal, or is no longer wanted: the certificate is removed again. */
  private async removeLate(tx: Tx, delivery: Delivery): Promise<void> {
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

  /** A late delivery has overwritten a successor: the successor is delivered again. */
  private async repair(tx: Tx, oldId: number, standing: Delivery): Promise<void> {
    if (!(await this.certificates.replacesInLine(tx, standing.certificateId, oldId))) return;
    await this.deliveries.change(tx, standing.id, (delivery) => delivery.retry(this.clock.now()));
    await this.deploying.start(tx, [standing.id]);
  }
}
