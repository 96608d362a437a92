import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { mayDeliverAnything } from '../../roles/permission.js';
import { CertificateAccess } from '../access.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';
import { Deploying } from './deploying.js';

/** Has a delivery made again at once. */
@Injectable()
export class DeliveryRetry {
  constructor(
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly access: CertificateAccess,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
  ) {}

  async retry(actor: Actor, id: number): Promise<Delivery> {
    const { certificateId } = await this.deliveries.get(this.db.single, id);
    if (!mayDeliverAnything(actor)) await this.access.demandWriteById(this.db.single, actor, certificateId);
    return this.db.write(async (tx) => {
      await this.deliveries.change(tx, id, (delivery) => delivery.retry(this.clock.now()));
      await this.deploying.start(tx, [id]);
      return this.deliveries.get(tx, id);
    });
  }
}
