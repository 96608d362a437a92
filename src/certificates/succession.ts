import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';
import { Deploying } from './deploy/deploying.js';
import { Planning } from './planning.js';

/** What it means for those that a certificate was to replace that it does so no longer. */
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
   * Whether `heir` may stand in for a certificate, whose warnings and renewals that ends. Throws Problem `conflict`
   * when that stands in for `heir`, directly or over others, so that nobody would hear of either; `wrong-state` when
   * `heir` has ended, and the other has not.
   */
  async demandHeir(
    tx: Tx,
    heir: Pick<Certificate, 'name' | 'state' | 'notAfter'> & { id?: number },
    oldId: number,
  ): Promise<void> {
    const [old, now] = [await this.certificates.get(tx, oldId), this.clock.now()];
    if (heir.id !== undefined && (await this.certificates.replacesInLine(tx, old.id, heir.id))) {
      throw new Problem(
        'conflict',
        `Certificate ${old.name} replaces ${heir.name} already: neither can take the place of the other.`,
      );
    }
    if (hasEnded(heir, now) && !hasEnded(old, now))
      throw new Problem('wrong-state', `Certificate ${heir.name} has ended: it takes the place of none that has not.`);
  }

  /**
   * `heir` was revoked, cancelled or deleted: what it was to replace is in force again if it still lives and nothing
   * else replaces it. It renews and is warned about once more, and is delivered again wherever it had made room. Ids of
   * the destinations where one that has not expired is in force again.
   */
  async fellThrough(tx: Tx, heir: Certificate): Promise<number[]> {
    const reinstatedAt: number[] = [];
    for (const id of await this.certificates.predecessorsOf(tx, heir.id)) {
      if (!(await this.released(tx, id, heir))) continue;
      await this.reinstate(tx, id, heir);
      const { notAfter } = await this.certificates.get(tx, id);
      if (notAfter > this.clock.now()) reinstatedAt.push(...(await this.deploying.wantedAt(tx, id)));
    }
    return reinstatedAt;
  }

  /**
   * `heir` does not count as what replaces it any more. True when it is in force again: it lives still, and nothing
   * else replaces it.
   */
  async released(tx: Tx, id: number, heir: Certificate): Promise<boolean> {
    const old = await this.certificates.lock(tx, id);
    const { hasSuccessor, isReplaced } = await this.certificates.successionOf(tx, id);
    const inForce = old.state === 'issued' || (old.state === 'superseded' && old.awaitsDeployment);
    if (!inForce || old.deletedAt !== null || hasSuccessor || isReplaced) return false;
    if (old.state === 'superseded') await this.deploying.reinstated(tx, old, heir);
    old.standUp();
    await this.planning.plan(tx, old);
    await tx.save(old);
    return true;
  }

  private async reinstate(tx: Tx, oldId: number, heir: Certificate): Promise<void> {
    const displaced = (await this.deliveries.lockOf(tx, oldId)).filter((delivery) => delivery.state === 'replaced');
    const places = displaced.map((delivery) => delivery.destinationId);
    const inTheWay = (await this.deliveries.lockOf(tx, heir.id)).filter(
      (d) => d.state === 'delivered' && places.includes(d.destinationId),
    );
    inTheWay.forEach((delivery) => delivery.replace());
    displaced.forEach((delivery) => delivery.stay(this.clock.now()));
    await this.deliveries.save(tx, [...inTheWay, ...displaced]);
    await this.deploying.start(
      tx,
      displaced.map((delivery) => delivery.id),
    );
  }
}

function hasEnded({ state, notAfter }: Pick<Certificate, 'state' | 'notAfter'>, now: Date): boolean {
  if (state === 'issued' || state === 'superseded') return notAfter <= now;
  return state !== 'requested' && state !== 'pending';
}
