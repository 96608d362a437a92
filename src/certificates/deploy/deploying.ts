import { Injectable } from '@nestjs/common';
import { Audit, type AuditActor } from '../../audit/audit.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db/database.js';
import { systemActor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { CertificateRepository } from '../certificate.repository.js';
import { enqueueDeliveries } from './deploy.sweep.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';

/** What the history of a certificate tells of its deliveries. */
export type DeliveryEvent =
  'delivery.arrived' | 'delivery.failed' | 'delivery.removed' | 'delivery.left' | 'delivery.retried';

/** Plans deliveries of a certificate, starts, stops and removes them. */
@Injectable()
export class Deploying {
  constructor(
    private readonly clock: Clock,
    private readonly deliveries: DeliveryRepository,
    private readonly certificates: CertificateRepository,
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

  /** Makes the planned deliveries of a certificate after the commit: an issuer has just issued it. */
  async startOf(tx: Tx, certificateId: number): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, certificateId)).filter((delivery) => delivery.open);
    await this.start(
      tx,
      open.map((delivery) => delivery.id),
    );
  }

  async start(tx: Tx, deliveryIds: readonly number[]): Promise<void> {
    await enqueueDeliveries(tx, await this.deliveries.boundOf(tx, deliveryIds));
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

  /** Records an event of a delivery in the history of its certificate. */
  async note(
    tx: Tx,
    action: DeliveryEvent,
    { id, certificateId, destinationId, location }: Delivery,
    { actor = systemActor('deploy'), detail }: { actor?: AuditActor; detail?: string | undefined } = {},
  ): Promise<void> {
    const after = { deliveryId: id, destinationId, location, detail };
    await this.audit.record(tx, actor, { action, targetType: 'certificate', targetId: certificateId, after });
  }

  /** Records that a destination has got the private key; not where, which not everybody may see. */
  async noteKey(tx: Tx, certificateId: number, destinationId: number): Promise<void> {
    await this.audit.record(tx, systemActor('deploy'), {
      action: 'key.delivered',
      targetType: 'certificate',
      targetId: certificateId,
      after: { destinationId },
    });
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
}
