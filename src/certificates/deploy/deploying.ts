import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';
import { CertificateRepository } from '../certificate.repository.js';
import { Notices } from '../notify/notices.js';
import { enqueueDeliveries } from './deploy.jobs.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';

/** What the history of a certificate tells of its deliveries. */
export type DeliveryEvent =
  'delivery.arrived' | 'delivery.failed' | 'delivery.removed' | 'delivery.left' | 'delivery.retried';

/** Plans deliveries and draws the consequences when they have arrived. */
@Injectable()
export class Deploying {
  constructor(
    private readonly clock: Clock,
    private readonly deliveries: DeliveryRepository,
    private readonly certificates: CertificateRepository,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /** Plans deliveries and has them made after the commit, when there is something to deliver. */
  async plan(tx: Tx, certificateId: number, destinationIds: readonly number[], issued: boolean): Promise<void> {
    const planned = await this.deliveries.plan(tx, certificateId, destinationIds, this.clock.now());
    if (issued) await this.start(tx, planned);
  }

  /** It is wanted again where it was about to be taken away. */
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

  /**
   * Has the planned deliveries of a certificate made that an issuer has just issued, instead of those of what it
   * replaces.
   */
  async startOf(tx: Tx, certificateId: number): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, certificateId)).filter((delivery) => delivery.open);
    for (const oldId of await this.certificates.predecessorsOf(tx, certificateId)) {
      await this.yieldTo(
        tx,
        oldId,
        open.map((delivery) => delivery.destinationId),
      );
    }
    await this.start(
      tx,
      open.map((delivery) => delivery.id),
    );
  }

  async start(tx: Tx, deliveryIds: readonly number[]): Promise<void> {
    await enqueueDeliveries(tx, await this.deliveries.boundOf(tx, deliveryIds));
  }

  /**
   * A successor has been issued and is delivered from now on: what has not arrived of the old certificate never will.
   */
  async yieldTo(tx: Tx, oldId: number, destinationIds: readonly number[]): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, oldId)).filter(
      (d) => (d.state === 'planned' || d.state === 'failing') && destinationIds.includes(d.destinationId),
    );
    open.forEach((delivery) => delivery.replace());
    await this.deliveries.save(tx, open);
  }

  /** It is no longer wanted there: what has arrived is taken away, the rest never sets out. */
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

  /** The request has ended without a certificate: nothing of it will be delivered. */
  async stopOf(tx: Tx, certificateId: number): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, certificateId)).filter(
      (d) => d.state === 'planned' || d.state === 'failing',
    );
    open.forEach((delivery) => delivery.stop());
    await this.deliveries.save(tx, open);
  }

  /** Writes into its history that a superseded certificate is in force again, because `heir` is gone. */
  async reinstated(tx: Tx, { id }: Certificate, heir: Certificate): Promise<void> {
    await this.audit.record(tx, systemActor('deploy'), {
      action: 'certificate.reinstated',
      targetType: 'certificate',
      targetId: id,
      after: { insteadOfId: heir.id },
    });
  }

  /** Writes into the history of its certificate what became of a delivery. */
  async note(
    tx: Tx,
    action: DeliveryEvent,
    { id, certificateId, destinationId, location }: Delivery,
    actor: AuditActor = systemActor('deploy'),
    detail?: string,
  ): Promise<void> {
    const after = { deliveryId: id, destinationId, location, detail };
    await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId: certificateId, after });
  }

  /** Throws Problem `wrong-state` when the certificate is revoked, unless the delivery is about its removal. */
  async demandLive(tx: Tx, { certificateId, state }: Delivery): Promise<void> {
    if (['leaving', 'removing', 'left'].includes(state)) return;
    const certificate = await this.certificates.get(tx, certificateId);
    if (certificate.state === 'revoked')
      throw new Problem('wrong-state', `Certificate ${certificate.name} is revoked; it is not delivered any more.`);
  }

  /** Ids of the destinations where it stands or is to stand. */
  async wantedAt(tx: Tx, certificateId: number): Promise<number[]> {
    return (await this.deliveries.lockOf(tx, certificateId))
      .filter(({ state }) => state === 'planned' || state === 'failing' || state === 'delivered')
      .map(({ destinationId }) => destinationId);
  }

  /** It is revoked: it leaves every place where it stands or may stand, and is delivered nowhere any more. */
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

  /**
   * When a successor is in place wherever it has to be, everything before it in its line is superseded and the owner is
   * told.
   */
  async settle(tx: Tx, certificateId: number): Promise<void> {
    const successor = await this.certificates.get(tx, certificateId);
    if (successor.state !== 'issued') return;
    const deliveries = await this.deliveries.lockOf(tx, certificateId);
    if (deliveries.some((delivery) => delivery.state === 'planned' || delivery.state === 'failing')) return;
    const placeIds = deliveries
      .filter((delivery) => delivery.state === 'delivered')
      .map((delivery) => delivery.destinationId);
    // A predecessor that was renewed before it had arrived has left its own predecessor in force.
    for (let oldId = successor.renewsId; oldId !== null;) {
      const old = await this.certificates.lock(tx, oldId);
      if (old.state === 'revoked' && oldId === successor.renewsId)
        await this.notices.rotated(tx, old, successor, placeIds);
      const waited = old.state === 'superseded' && old.awaitsDeployment && placeIds.length > 0;
      if (old.state !== 'issued' && !waited) return;
      if (!waited && (await this.follow(tx, old, successor, deliveries))) return;
      await (waited ? this.giveWay(tx, old) : this.supersede(tx, old, successor, placeIds));
      await this.notices.rotated(tx, old, successor, placeIds);
      oldId = old.renewsId;
    }
  }

  private async giveWay(tx: Tx, old: Certificate): Promise<void> {
    old.giveWay();
    await tx.save(old);
  }

  /**
   * Sends the successor wherever else the old one has come to stand meanwhile. True when it has to go anywhere still.
   */
  private async follow(
    tx: Tx,
    old: Certificate,
    successor: Certificate,
    deliveries: readonly Delivery[],
  ): Promise<boolean> {
    const known = deliveries
      .filter((delivery) => delivery.state !== 'removed')
      .map((delivery) => delivery.destinationId);
    const missing = (await this.deliveries.lockOf(tx, old.id)).filter(
      (d) => d.state === 'delivered' && !known.includes(d.destinationId),
    );
    await this.plan(
      tx,
      successor.id,
      missing.map((delivery) => delivery.destinationId),
      true,
    );
    return missing.length > 0;
  }

  private async supersede(tx: Tx, old: Certificate, { id }: Certificate, placeIds: readonly number[]): Promise<void> {
    old.supersede(this.clock.now(), placeIds.length === 0);
    await tx.save(old);
    const after = { successorId: id, destinationIds: placeIds };
    await this.audit.record(tx, systemActor('deploy'), {
      action: 'certificate.superseded',
      targetType: 'certificate',
      targetId: old.id,
      after,
    });
    const standing = (await this.deliveries.lockOf(tx, old.id)).filter(isStanding);
    standing.forEach((delivery) => delivery.replace());
    await this.deliveries.save(tx, standing);
  }
}

function isStanding(delivery: Delivery): boolean {
  return delivery.state === 'delivered' || delivery.state === 'planned' || delivery.state === 'failing';
}
