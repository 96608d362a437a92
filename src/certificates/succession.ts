import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';
import { Deploying } from './deploy/deploying.js';
import { Planning } from './planning.js';

/** What the end of a certificate means for those that it was to replace. */
@Injectable()
export class Succession {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly planning: Planning,
  ) {}

  /**
   * `heir` was revoked, cancelled or deleted: what it was to replace is in force again if it still lives and nothing else replaces it.
   * It renews and is warned about once more, and is delivered again wherever it had made room.
   */
  async fellThrough(tx: Tx, heir: Certificate): Promise<void> {
    for (const id of await this.certificates.predecessorsOf(tx, heir.id)) {
      const old = await this.certificates.lock(tx, id);
      const { hasSuccessor, isReplaced } = await this.certificates.successionOf(tx, id);
      const inForce = old.state === 'issued' || (old.state === 'superseded' && old.awaitsDeployment);
      if (!inForce || old.deletedAt !== null || hasSuccessor || isReplaced) continue;
      if (old.state === 'superseded') await this.deploying.reinstated(tx, old, heir);
      old.standUp();
      await this.planning.plan(tx, old);
      await tx.save(old);
      await this.reinstate(tx, old, heir);
    }
  }

  private async reinstate(tx: Tx, old: Certificate, heir: Certificate): Promise<void> {
    const displaced = (await this.deliveries.lockOf(tx, old.id)).filter((delivery) => delivery.state === 'replaced');
    const places = displaced.map((delivery) => delivery.destinationId);
    const inTheWay = (await this.deliveries.lockOf(tx, heir.id)).filter((d) => d.state === 'delivered' && places.includes(d.destinationId));
    inTheWay.forEach((delivery) => delivery.replace());
    displaced.forEach((delivery) => delivery.stay(this.clock.now()));
    await this.deliveries.save(tx, [...inTheWay, ...displaced]);
    await this.deploying.start(tx, displaced.map((delivery) => delivery.id));
  }
}
