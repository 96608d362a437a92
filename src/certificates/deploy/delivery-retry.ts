import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { mayDeliverAnything } from '../../roles/permission.js';
import { CertificateAccess } from '../access.js';
import { DeliveryRepository } from './delivery.repository.js';
import { Deploying } from './deploying.js';

/** Retries deliveries and removals, and checks deliveries, at once, on request of a user. */
@Injectable()
export class DeliveryRetry {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
  ) {}

  /** Retries one delivery or removal. Throws Problem `wrong-state` when there is nothing to retry. */
  async retry(actor: Actor, id: number): Promise<void> {
    const { certificateId } = await this.deliveries.get(this.db.single, id);
    await this.demandRight(actor, certificateId);
    await this.db.write((tx) => this.again(tx, actor, id));
  }

  /** Delivers a certificate again to all its destinations. Throws Problem `wrong-state` when it has none. */
  async redeploy(actor: Actor, certificateId: number): Promise<void> {
    await this.demandRight(actor, certificateId);
    await this.db.write(async (tx) => {
      const wanted = (await this.deliveries.lockOf(tx, certificateId)).filter(
        ({ isAwaited, isComplete }) => isAwaited || isComplete,
      );
      if (wanted.length === 0) throw new Problem('wrong-state', `Certificate ${certificateId} is delivered nowhere.`);
      for (const { id } of wanted) await this.again(tx, actor, id);
    });
  }

  /** Retries the deliveries of a certificate that are planned or failing. */
  async retryOpen(actor: Actor, certificateId: number): Promise<void> {
    await this.demandRight(actor, certificateId);
    await this.db.write(async (tx) => {
      const open = (await this.deliveries.lockOf(tx, certificateId)).filter(
        ({ state }) => state === 'planned' || state === 'failing' || state === 'rolled-back',
      );
      for (const { id } of open) await this.again(tx, actor, id);
    });
  }

  /** Checks at once whether the certificate is in use. Throws Problem `wrong-state` when it is not delivered. */
  async check(actor: Actor, id: number): Promise<void> {
    const { certificateId } = await this.deliveries.get(this.db.single, id);
    await this.demandRight(actor, certificateId);
    await this.db.write(async (tx) => {
      await this.deliveries.change(tx, id, async (delivery) => {
        if (delivery.state !== 'delivered')
          throw new Problem('wrong-state', `Delivery ${id} is ${delivery.state}: there is nothing to check.`);
        delivery.beginCheck(this.clock.now());
        await this.deploying.note(tx, 'delivery.checked', delivery, { actor });
      });
      await this.deploying.start(tx, [id]);
    });
  }

  private async demandRight(actor: Actor, certificateId: number): Promise<void> {
    await (mayDeliverAnything(actor)
      ? this.access.demandKnown(this.db.single, certificateId)
      : this.access.demandWriteById(this.db.single, actor, certificateId));
  }

  private async again(tx: Tx, actor: Actor, id: number): Promise<void> {
    await this.deliveries.change(tx, id, async (delivery) => {
      await this.deploying.demandLive(tx, delivery);
      delivery.retry(this.clock.now());
      await this.deploying.note(tx, 'delivery.retried', delivery, { actor });
    });
    await this.deploying.start(tx, [id]);
  }
}
