import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { systemActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { noSuccession } from '../rotation/due.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository, type Links } from './certificate.repository.js';
import type { Delivery } from './deploy/delivery.entity.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';
import { Deploying } from './deploy/deploying.js';
import { DueRepository } from './due.repository.js';
import { Notices } from './notify/notices.js';
import { Planning } from './planning.js';

// What a successor does to its predecessors when it is issued, deployed or withdrawn.

/** A predecessor, and its links, which the successor gets. */
export interface Inheritance {
  old: Certificate;
  links: Links;
}

/** A renewal of `old`. */
export interface Renewal extends Inheritance {
  /** Whether the owner gets a notice once the successor is deployed. */
  notify: boolean;
  /** Why it is renewed, when somebody said why. The audit event of the successor has it. */
  why?: string;
  /** Joins the transaction that stores the successor. */
  also?: (tx: Tx, successorId: number) => Promise<void>;
}

/** The certificate has changed since its renewal began: the successor would have the wrong owner or destinations. */
export class StalePredecessor extends Problem {
  constructor({ name }: Pick<Certificate, 'name'>) {
    super('conflict', `Certificate ${name} has been changed meanwhile: look at it again.`);
  }
}

/** What a successor takes over from its predecessor: the owner and the settings. */
function inherited({ owner, labels, vouchingRole, notify, rotation, rotationPolicyId }: Certificate) {
  return { owner, labels, vouchingRole, notify, rotation, rotationPolicyId };
}

/**
 * What a successor does to its predecessors, whatever made it one: a renewal, `replaces` in a request, an upload.
 *
 * - When it is issued, notices and renewals of its predecessors end, and their deliveries that have not arrived stop.
 * - When it is deployed at every destination, a renewed predecessor is superseded and the owner gets a notice.
 * - When it is revoked, cancelled or deleted, or no longer replaces them, its predecessors become active again.
 */
@Injectable()
export class Successors {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly due: DueRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly planning: Planning,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /**
   * Whether `successor` may replace these certificates. Throws Problem `conflict` when one of them already replaces the
   * successor, directly or in several steps, since neither would have notices then; `wrong-state` when the successor
   * has expired and one of them has not.
   */
  async demandAllowed(
    tx: Tx,
    successor: Pick<Certificate, 'name' | 'state' | 'notAfter'> & { id?: number },
    oldIds: readonly number[],
  ): Promise<void> {
    if (oldIds.length === 0) return;
    const [olds, now] = [await this.certificates.getMany(tx, oldIds), this.clock.now()];
    const newer = successor.id === undefined ? [] : await this.certificates.replacing(tx, successor.id, oldIds);
    const ahead = olds.find(({ id }) => newer.includes(id));
    if (ahead)
      throw new Problem(
        'conflict',
        `Certificate ${ahead.name} replaces ${successor.name} already: neither can take the place of the other.`,
      );
    if (hasEnded(successor, now) && olds.some((old) => !hasEnded(old, now)))
      throw new Problem(
        'wrong-state',
        `Certificate ${successor.name} has ended: it takes the place of none that has not.`,
      );
  }

  /**
   * Makes a certificate replace exactly these, and the one that it renews. New predecessors lose their notices once it
   * is issued; former ones become active again. Throws like `demandAllowed`.
   */
  async relink(tx: Tx, successor: Certificate, oldIds: readonly number[]): Promise<void> {
    const { after, added, freed } = await this.changesOf(tx, successor, oldIds);
    await this.demandAllowed(tx, successor, added);
    await this.certificates.setLinks(tx, successor.id, 'replaced', after);
    if (successor.bodyPem === null) return;
    for (const id of freed) await this.release(tx, id, successor);
    await this.takePlaces(tx, successor, added);
  }

  /** What `relink` would make it replace, which of these are new, and which it would no longer replace. */
  async changesOf(
    tx: Tx,
    { id, renewsId }: Pick<Certificate, 'id' | 'renewsId'>,
    oldIds: readonly number[],
  ): Promise<{ after: number[]; added: number[]; freed: number[] }> {
    const before = await this.certificates.predecessorsOf(tx, id);
    const after = [...new Set([...without(oldIds, [id]), ...(renewsId === null ? [] : [renewsId])])];
    return { after, added: without(after, before), freed: without(before, after) };
  }

  /** After a renewal is stored. Throws Problem `wrong-state`, or StalePredecessor. */
  async requested(tx: Tx, { old, links, notify, also }: Renewal, successorId: number): Promise<void> {
    if (!notify) await this.notices.withholdRotated(tx, successorId);
    await also?.(tx, successorId);
    await this.certificates.change(tx, old.id, async (row) => {
      if (!row.renewable)
        throw new Problem('wrong-state', `Certificate ${row.name} is ${row.state}; it is not renewed.`);
      if (!isDeepStrictEqual([inherited(row), await this.certificates.linksOf(tx, row.id)], [inherited(old), links]))
        throw new StalePredecessor(row);
      row.recordRenewal();
    });
  }

  /** After a certificate is issued and its deliveries are planned: it takes over from its predecessors. */
  async issued(tx: Tx, successor: Pick<Certificate, 'id' | 'renewsId'>): Promise<void> {
    const oldIds = await this.certificates.predecessorsOf(tx, successor.id);
    await this.takePlaces(tx, successor, oldIds);
    if (successor.renewsId !== null) await this.settle(tx, successor.id);
  }

  /** After a certificate with a requested successor got these destinations: the successor is delivered there too. */
  async deliverTo(tx: Tx, oldId: number, destinationIds: readonly number[]): Promise<void> {
    const successor = destinationIds.length > 0 ? await this.certificates.findSuccessor(tx, oldId) : null;
    if (successor) await this.deploying.plan(tx, successor.id, destinationIds, successor.bodyPem !== null);
  }

  /**
   * When a successor is deployed at every destination: supersedes everything that it renews, directly or in several
   * steps, and tells the owner.
   */
  async settle(tx: Tx, successorId: number): Promise<void> {
    const successor = await this.certificates.get(tx, successorId);
    if (successor.state !== 'issued') return;
    const deliveries = await this.deliveries.lockOf(tx, successorId);
    if (deliveries.some(({ isAwaited }) => isAwaited)) return;
    const placeIds = deliveries.filter(({ state }) => state === 'delivered').map((one) => one.destinationId);
    // A predecessor that was renewed before it was deployed has left its own predecessor active.
    for (let oldId = successor.renewsId; oldId !== null;) {
      const old = await this.certificates.lock(tx, oldId);
      if (old.state === 'revoked' && oldId === successor.renewsId)
        await this.notices.rotated(tx, old, successor, placeIds);
      const waited = old.state === 'superseded' && old.awaitsDeployment && placeIds.length > 0;
      if (old.state !== 'issued' && !waited) return;
      if (!waited && (await this.follow(tx, old, successor, deliveries))) return;
      await (waited ? this.recordDeployed(tx, old) : this.supersede(tx, old, successor, placeIds));
      await this.deploying.retire(tx, old.id, placeIds);
      await this.notices.rotated(tx, old, successor, placeIds);
      oldId = old.renewsId;
    }
  }

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

  private async takePlaces(
    tx: Tx,
    { id, renewsId }: Pick<Certificate, 'id' | 'renewsId'>,
    oldIds: readonly number[],
  ): Promise<void> {
    if (oldIds.length === 0) return;
    const { destinationIds } = await this.certificates.linksOf(tx, id);
    const olds = await this.certificates.lockMany(tx, oldIds);
    for (const old of olds) {
      if (old.id === renewsId) old.recordRenewed();
      else old.recordReplaced();
    }
    await this.due.saveOutlooks(tx, olds);
    // Their deliveries that have not arrived stop where the successor is delivered.
    const open = (await this.deliveries.lockOf(tx, ...oldIds)).filter(
      ({ state, destinationId }) =>
        ['planned', 'failing', 'rolled-back'].includes(state) && destinationIds.includes(destinationId),
    );
    open.forEach((delivery) => delivery.replace());
    await this.deliveries.save(tx, open);
  }

  /**
   * `successor` no longer replaces it. True when it is active again: it has not ended, and nothing else replaces it.
   */
  private async release(tx: Tx, oldId: number, successor: Certificate): Promise<boolean> {
    const old = await this.certificates.lock(tx, oldId);
    const [{ hasSuccessor, isReplaced } = noSuccession] = await this.certificates.successionsOf(tx, [oldId]);
    const lives = old.state === 'issued' || (old.state === 'superseded' && old.awaitsDeployment);
    if (!lives || old.deletedAt !== null || hasSuccessor || isReplaced) return false;
    if (old.state === 'superseded') await this.note(tx, 'certificate.reinstated', oldId, { insteadOfId: successor.id });
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

  /**
   * Delivers the successor to each destination at which the old certificate has arrived meanwhile. True when there is
   * one.
   */
  private async follow(
    tx: Tx,
    old: Certificate,
    successor: Certificate,
    deliveries: readonly Delivery[],
  ): Promise<boolean> {
    const known = deliveries.filter(({ state }) => state !== 'removed').map(({ destinationId }) => destinationId);
    const missing = (await this.deliveries.lockOf(tx, old.id))
      .filter(({ state, destinationId }) => state === 'delivered' && !known.includes(destinationId))
      .map(({ destinationId }) => destinationId);
    await this.deploying.plan(tx, successor.id, missing, true);
    return missing.length > 0;
  }

  private async supersede(tx: Tx, old: Certificate, { id }: Certificate, placeIds: readonly number[]): Promise<void> {
    old.supersede(this.clock.now(), placeIds.length === 0);
    await tx.save(old);
    await this.note(tx, 'certificate.superseded', old.id, { successorId: id, destinationIds: placeIds });
    const standing = (await this.deliveries.lockOf(tx, old.id)).filter(({ state }) =>
      ['planned', 'failing', 'delivered', 'rolled-back'].includes(state),
    );
    standing.forEach((delivery) => delivery.replace());
    await this.deliveries.save(tx, standing);
  }

  private async recordDeployed(tx: Tx, old: Certificate): Promise<void> {
    old.recordSuccessorDeployed();
    await tx.save(old);
  }

  private note(tx: Tx, action: string, targetId: number, after: object): Promise<void> {
    return this.audit.record(tx, systemActor('deploy'), { action, targetType: 'certificate', targetId, after });
  }
}

function hasEnded({ state, notAfter }: Pick<Certificate, 'state' | 'notAfter'>, now: Date): boolean {
  if (state === 'issued' || state === 'superseded') return notAfter <= now;
  return state !== 'requested' && state !== 'pending';
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}
