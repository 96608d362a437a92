import { Injectable } from '@nestjs/common';
import type { ReadyDestination } from '../../destinations/destinations.js';
import type { DeliveredFile } from '../../plugin-api/destination.js';
import type { Bundle } from '../../plugin-api/export.js';
import { Clock } from '../../platform/clock.js';
import { Database, sqlState, type Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { failureOf } from '../failure.js';
import { Notices } from '../notify/notices.js';
import { Successors } from '../successors.js';
import { enqueueCheck } from './deploy.sweep.js';
import { Deploying } from './deploying.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';
import { Rollbacks } from './rollbacks.js';
import type { CheckResult, Finding } from './verification.js';

/**
 * One attempt to deliver a certificate, or to remove or check it at `location`, where it is known to be, or to tell the
 * hook of the destination that it is there.
 */
export interface Attempt {
  kind: 'deliver' | 'remove' | 'check' | 'hook';
  deliveryId: number;
  certificateId: number;
  /** The owner of the certificate. */
  owner: string;
  /** That of the delivery when the attempt began: options and bundle are of that time. */
  round: number;
  location: string | null;
  /** Interval of the checks after a delivery; 0: there are none. */
  everyMs: number;
  target: ReadyDestination;
  bundle: Bundle;
}

/** An attempt that crashed without an answer is repeated after this time. */
const attemptMs = 10 * 60_000;
/** Interval at which a revoked certificate is checked again for its removal. */
const leaveMs = 60_000;
/** The owner gets a notice after so many consecutive failures. */
const tellAfter = 5;

/** The event of the first of consecutive failures. */
const failures = {
  deliver: 'delivery.failed',
  remove: 'delivery.failed',
  check: 'delivery.unchecked',
  hook: 'delivery.hook-failed',
} as const;

/** What is to be done for a delivery; null when nothing is. */
export function kindOf({ state, open, hook }: Delivery): Attempt['kind'] | null {
  if (state === 'delivered') return hook === 'due' ? 'hook' : 'check';
  if (!open) return null;
  return state === 'removing' ? 'remove' : 'deliver';
}

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
    private readonly rollbacks: Rollbacks,
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
        if (delivery.state === 'rolled-back' && certificate.state === 'issued') delivery.retry(now);
        const isCheck = delivery.state === 'delivered';
        if (!delivery.open && !isCheck) return null;
        if (isCheck && (await this.deliveries.isFollowed(tx, delivery))) {
          delivery.beginCheck(null);
          return null;
        }
        if (delivery.state !== 'removing' && certificate.state !== 'issued') {
          if (isCheck) delivery.beginCheck(null);
          else if (certificate.bodyPem !== null) delivery.stop();
          return null;
        }
        try {
          const attempt = await prepare(tx, delivery, certificate);
          const again = new Date(now.getTime() + attemptMs);
          if (isCheck) delivery.beginCheck(again);
          else delivery.begin(now, again);
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
   * started, or is in another round.
   */
  async findWanted({ deliveryId, kind, round }: Attempt): Promise<Delivery | null> {
    const delivery = await this.deliveries.find(this.db.single, deliveryId);
    return delivery && delivery.round === round && kindOf(delivery) === kind ? delivery : null;
  }

  /**
   * The other certificate at the location that the attempt must not overwrite or remove: for a delivery, a certificate
   * that this one does not replace; for a removal, any other.
   */
  async findOtherAt({ certificateId, kind, target }: Attempt, location: string): Promise<Certificate | null> {
    const tx = this.db.single;
    const standing = await this.deliveries.findAt(tx, target.destination.id, location);
    if (!standing || standing.certificateId === certificateId) return null;
    if (kind !== 'remove' && (await this.certificates.replacesInLine(tx, certificateId, standing.certificateId)))
      return null;
    return this.certificates.get(tx, standing.certificateId);
  }

  /** These files are about to be written: stored first, so that a removal after a crash knows them. */
  async sending({ deliveryId }: Attempt, files: readonly DeliveredFile[]): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, (delivery) => {
        delivery.files = [...files];
      }),
    );
  }

  /**
   * The certificate is at the location, and `finding` tells whether it is in use there; null: nobody has looked,
   * because the hook of the destination must run first. A certificate of its line that was there is replaced.
   */
  async arrived(attempt: Attempt, location: string, finding: Finding | null): Promise<void> {
    const { deliveryId, certificateId, target, bundle } = attempt;
    await this.db.write(async (tx) => {
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
        // To be delivered again, perhaps with other options: the job of the new round does it.
        if (delivery.round !== attempt.round) return null;
        const now = this.clock.now();
        const result = finding ? delivery.arrive(now, finding, attempt.everyMs) : delivery.arriveBeforeHook(now);
        await this.deploying.note(tx, 'delivery.arrived', delivery);
        return this.followed(tx, delivery, result);
      });
      if (counts) await this.successors.settle(tx, certificateId);
      else if (standing && counts === false) await this.repair(tx, certificateId, standing);
    });
  }

  /** The hook has run for what was delivered at `deliveredAt`: the delivery is checked now. */
  async hooked({ deliveryId }: Attempt, deliveredAt: Date): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (kindOf(delivery) !== 'hook' || delivery.deliveredAt?.getTime() !== deliveredAt.getTime()) return;
        const now = this.clock.now();
        delivery.noteHook(now);
        await this.deploying.note(tx, 'delivery.hooked', delivery);
        await enqueueCheck(tx, delivery, now);
      }),
    );
  }

  /** A check of what was delivered at `deliveredAt` has ended. */
  async checked(attempt: Attempt, deliveredAt: Date | null, finding: Finding): Promise<void> {
    const { deliveryId, certificateId, target } = attempt;
    await this.db.write(async (tx) => {
      await this.certificates.lockLines(tx, [certificateId]);
      const result = await this.deliveries.change(tx, deliveryId, async (delivery) => {
        if (kindOf(delivery) !== 'check' || delivery.deliveredAt?.getTime() !== deliveredAt?.getTime()) return null;
        const outcome = delivery.check(finding, this.clock.now(), attempt.everyMs);
        if (outcome === 'settled') await this.deploying.note(tx, 'delivery.verified', delivery);
        await this.followed(tx, delivery, outcome);
        return outcome;
      });
      if (result === 'settled') await this.successors.settle(tx, certificateId);
      if (result === 'overdue') await this.rollbacks.start(tx, deliveryId, target);
      if (result === 'drifted' || (result === 'still-differs' && target.destination.repush))
        await this.rollbacks.drifted(tx, deliveryId, target);
    });
  }

  /** The attempt failed. It is retried later. */
  async failed({ deliveryId, kind }: Attempt, error: unknown): Promise<void> {
    await this.db.write((tx) =>
      this.deliveries.change(tx, deliveryId, async (delivery) => {
        // A failed delivery may have written the certificate after its removal.
        if (kind === 'deliver') await this.removeLate(tx, delivery);
        if (kindOf(delivery) !== kind) return;
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

  /** True when the delivery counts as complete. One that waits is checked again at its moment. */
  private async followed(tx: Tx, delivery: Delivery, result: CheckResult): Promise<true | null> {
    if (result === 'settled') await this.startLeaving(tx, delivery);
    if (result === 'waiting') await enqueueCheck(tx, delivery, this.clock.now());
    return result === 'settled' ? true : null;
  }

  /** The history gets the first of consecutive failures; the delivery shows the last. */
  private async noteFailure(tx: Tx, delivery: Delivery, error: unknown): Promise<void> {
    const certificate = await this.certificates.get(tx, delivery.certificateId);
    const lifetimeMs = certificate.notAfter.getTime() - certificate.notBefore.getTime();
    delivery.fail(failureOf(error), this.clock.now(), lifetimeMs);
    if (delivery.attempts === 1) {
      const action = failures[kindOf(delivery) ?? 'deliver'];
      await this.deploying.note(tx, action, delivery, { detail: delivery.faultDetail ?? undefined });
    }
    if (delivery.attempts === tellAfter) await this.notices.deliveryFailing(tx, certificate, delivery);
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
