import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { systemActor } from '../platform/http/actor.js';
import { noSuccession } from '../rotation/due.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';
import { Deploying } from './deploy/deploying.js';
import { Planning } from './planning.js';

/** Makes predecessors active again whose successor ends, or no longer replaces them. */
@Injectable()
export class Reinstating {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly planning: Planning,
    private readonly audit: Audit,
  ) {}

  /**
   * After a successor was revoked, cancelled or deleted: makes each predecessor active again that has not ended and
   * that nothing else replaces, and delivers it again where its delivery had stopped. Returns the ids of the
   * destinations at which one that has not expired is active again.
   */
  async withdrawn(tx: Tx, successor: Certificate): Promise<number[]> {
    const reinstatedAt: number[] = [];
    for (const id of await this.certificates.predecessorsOf(tx, successor.id)) {
      if (!(await this.release(tx, id, successor))) continue;
      await this.redeliver(tx, id, successor);
      const { notAfter } = await this.certificates.get(tx, id);
      if (notAfter > this.clock.now()) reinstatedAt.push(...(await this.deploying.wantedAt(tx, id)));
    }
    return reinstatedAt;
  }

  /**
   * `successor` no longer replaces it. True when it is active again: it has not ended, and nothing else replaces it.
   */
  async release(tx: Tx, oldId: number, successor: Certificate): Promise<boolean> {
    const old = await this.certificates.lock(tx, oldId);
    const [{ hasSuccessor, isReplaced } = noSuccession] = await this.certificates.successionsOf(tx, [oldId]);
    const lives = old.state === 'issued' || (old.state === 'superseded' && old.awaitsDeployment);
    if (!lives || old.deletedAt !== null || hasSuccessor || isReplaced) return false;
    if (old.state === 'superseded') await this.note(tx, oldId, successor);
    old.reinstate();
    await this.planning.plan(tx, old);
    await tx.save(old);
    return true;
  }

  /** Delivers the old certificate again at the destinations where it was replaced. */
  private async redeliver(tx: Tx, oldId: number, { id }: Certificate): Promise<void> {
    const replaced = (await this.deliveries.lockOf(tx, oldId)).filter(({ state }) => state === 'replaced');
    const placeIds = replaced.map(({ destinationId }) => destinationId);
    const inTheWay = (await this.deliveries.lockOf(tx, id)).filter(
      ({ state, destinationId }) => state === 'delivered' && placeIds.includes(destinationId),
    );
    inTheWay.forEach((delivery) => delivery.replace());
    replaced.forEach((delivery) => delivery.stay(this.clock.now()));
    await this.deliveries.save(tx, [...inTheWay, ...replaced]);
    await this.deploying.start(
      tx,
      replaced.map((delivery) => delivery.id),
    );
  }

  private note(tx: Tx, targetId: number, { id }: Certificate): Promise<void> {
    const act = { action: 'certificate.reinstated', targetType: 'certificate', targetId, after: { insteadOfId: id } };
    return this.audit.record(tx, systemActor('deploy'), act);
  }
}
