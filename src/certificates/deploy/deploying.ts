import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../../audit/audit.js';
import { Destinations } from '../../destinations/destinations.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateRepository } from '../certificate.repository.js';
import { enqueueDeliveries } from './deploy.sweep.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository, type Wanted } from './delivery.repository.js';

/** An event of a delivery in the history of its certificate. */
export type DeliveryEvent =
  | 'delivery.arrived'
  | 'delivery.verified'
  | 'delivery.drifted'
  | 'delivery.rolled-back'
  | 'delivery.checked'
  | 'delivery.unchecked'
  | 'delivery.hooked'
  | 'delivery.hook-failed'
  | 'delivery.failed'
  | 'delivery.removed'
  | 'delivery.left'
  | 'delivery.retried';

/** Plans, starts, stops and removes deliveries of a certificate, in the transaction that changes the certificate. */
@Injectable()
export class Deploying {
  constructor(
    private readonly clock: Clock,
    private readonly deliveries: DeliveryRepository,
    private readonly certificates: CertificateRepository,
    private readonly destinations: Destinations,
    private readonly audit: Audit,
  ) {}

  /** Plans deliveries. They start after the commit if the certificate is issued. */
  async plan(tx: Tx, certificateId: number, destinationIds: readonly number[], issued: boolean): Promise<void> {
    await this.planMany(
      tx,
      destinationIds.map((destinationId) => ({ certificateId, destinationId })),
      issued,
    );
  }

  /** Like `plan`, for many certificates, all of which are issued, or none. */
  async planMany(tx: Tx, wanted: readonly Wanted[], issued: boolean): Promise<void> {
    const planned = await this.deliveries.plan(tx, wanted, this.clock.now());
    if (issued) await this.start(tx, planned);
  }

  /** The certificate is wanted again at destinations from which it was to be removed. */
  async takeBack(tx: Tx, certificateId: number, destinationIds: readonly number[]): Promise<void> {
    const leaving = (await this.deliveries.lockOf(tx, certificateId)).filter(
      (d) => (d.state === 'removing' || d.state === 'left') && destinationIds.includes(d.destinationId),
    );
    leaving.forEach((delivery) => delivery.stay(this.clock.now()));
    await this.deliveries.save(tx, leaving);
    await this.start(
      tx,
      leaving.map((delivery) => delivery.id),
    );
  }

  /** Starts the planned deliveries of a certificate that has just been issued, after the commit. */
  async startOf(tx: Tx, certificateId: number): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, certificateId)).filter((delivery) => delivery.open);
    await this.start(
      tx,
      open.map((delivery) => delivery.id),
    );
  }

  /** Enqueues the jobs of these deliveries, for after the commit. */
  async start(tx: Tx, deliveryIds: readonly number[]): Promise<void> {
    await enqueueDeliveries(tx, await this.deliveries.boundOf(tx, deliveryIds));
  }

  /** The certificate is no longer wanted at these destinations: starts to remove it from each. */
  async detach(tx: Tx, certificateId: number, destinationIds: readonly number[]): Promise<void> {
    const now = this.clock.now();
    const leaving = (await this.deliveries.lockOf(tx, certificateId)).filter(
      (d) => destinationIds.includes(d.destinationId) && !['removing', 'removed', 'left'].includes(d.state),
    );
    leaving.forEach((delivery) => delivery.remove(now));
    await this.deliveries.save(tx, leaving);
    await this.start(
      tx,
      leaving.map((delivery) => delivery.id),
    );
  }

  /**
   * The certificate is superseded, and its successor is in use at these destinations: starts to remove it from those
   * that keep it beside its successor.
   */
  async retire(tx: Tx, certificateId: number, destinationIds: readonly number[]): Promise<void> {
    const replacedAt = (await this.deliveries.lockOf(tx, certificateId))
      .filter(({ state, mayStand }) => state === 'replaced' && mayStand)
      .map(({ destinationId }) => destinationId)
      .filter((id) => destinationIds.includes(id));
    const places = await this.destinations.getMany(tx, replacedAt);
    const keeping = places.filter((place) => this.destinations.keepsReplaced(place));
    await this.detach(
      tx,
      certificateId,
      keeping.map(({ destination }) => destination.id),
    );
  }

  /** The request has ended without a certificate: stops its deliveries. */
  async stopOf(tx: Tx, certificateId: number): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, certificateId)).filter(
      (d) => d.state === 'planned' || d.state === 'failing',
    );
    open.forEach((delivery) => delivery.stop());
    await this.deliveries.save(tx, open);
  }

  /** Records an event of a delivery in the history of its certificate. */
  async note(
    tx: Tx,
    action: DeliveryEvent,
    { id, certificateId, destinationId, location, verification }: Delivery,
    { actor = systemActor('deploy'), detail }: { actor?: AuditActor; detail?: string | undefined } = {},
  ): Promise<void> {
    const after = { deliveryId: id, destinationId, location, verification, detail };
    await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId: certificateId, after });
  }

  /** Records that a destination got the private key. Without the location, which not every user may see. */
  async noteKey(tx: Tx, certificateId: number, destinationId: number): Promise<void> {
    await this.audit.record(tx, systemActor('deploy'), {
      action: 'key.delivered',
      targetType: 'certificate',
      targetId: certificateId,
      after: { destinationId },
    });
  }

  /** Throws Problem `wrong-state` when the certificate is revoked, unless the delivery is a removal. */
  async demandLive(tx: Tx, { certificateId, state }: Delivery): Promise<void> {
    if (['leaving', 'removing', 'left'].includes(state)) return;
    const certificate = await this.certificates.get(tx, certificateId);
    if (certificate.state === 'revoked')
      throw new Problem('wrong-state', `Certificate ${certificate.name} is revoked; it is not delivered any more.`);
  }

  /** The ids of the destinations where the certificate is or will be. */
  async wantedAt(tx: Tx, certificateId: number): Promise<number[]> {
    return (await this.deliveries.lockOf(tx, certificateId))
      .filter(({ isAwaited, isComplete }) => isAwaited || isComplete)
      .map(({ destinationId }) => destinationId);
  }

  /** The certificate is revoked: removes it from each destination where it is or may be, and stops other deliveries. */
  async withdraw(tx: Tx, certificateId: number): Promise<void> {
    const now = this.clock.now();
    const deliveries = await this.deliveries.lockOf(tx, certificateId);
    const wanted = deliveries.filter(({ state }) => !['leaving', 'removing', 'removed', 'left'].includes(state));
    const leaving = wanted.filter(({ mayStand }) => mayStand);
    leaving.forEach((delivery) => delivery.withdraw(now));
    wanted.filter(({ open }) => open).forEach((delivery) => delivery.stop());
    await this.deliveries.save(tx, wanted);
    await this.start(
      tx,
      leaving.map(({ id }) => id),
    );
  }
}
