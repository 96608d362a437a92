import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { Problem } from '../platform/http/problem.js';
import type { Certificate } from './certificate.entity.js';
import { type Links, linksOfMany, predecessorsOfMany } from './certificate-links.js';
import { CertificateRepository } from './certificate.repository.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';
import { Deploying } from './deploy/deploying.js';
import { DueRepository } from './due.repository.js';
import { Notices } from './notify/notices.js';
import { Reinstating } from './reinstating.js';
import { Settling } from './settling.js';

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

/** A renewal whose successor is stored. */
export interface StoredRenewal extends Renewal {
  successorId: number;
}

/** A successor that takes over from these. */
interface Taking extends Pick<Certificate, 'id' | 'renewsId'> {
  oldIds: readonly number[];
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
    private readonly notices: Notices,
    private readonly settling: Settling,
    private readonly reinstating: Reinstating,
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
    for (const id of freed) await this.reinstating.release(tx, id, successor);
    const olds = new Map<number, Certificate>();
    await this.takePlaces(tx, [{ id: successor.id, renewsId: successor.renewsId, oldIds: added }], olds);
    await this.due.saveOutlooks(tx, [...olds.values()]);
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

  /**
   * After renewals are stored. Returns the locked predecessors by id, which `issued` saves. Throws Problem
   * `wrong-state`, or StalePredecessor.
   */
  async requested(tx: Tx, renewals: readonly StoredRenewal[]): Promise<Map<number, Certificate>> {
    if (renewals.length === 0) return new Map();
    const silent = renewals.filter(({ notify }) => !notify).map(({ successorId }) => successorId);
    await this.notices.withholdRotated(tx, silent);
    for (const { also, successorId } of renewals) await also?.(tx, successorId);
    const oldIds = renewals.map(({ old }) => old.id);
    const rows = await this.certificates.lockById(tx, oldIds);
    const linksNow = await linksOfMany(tx, oldIds);
    for (const { old, links } of renewals) {
      const row = rows.get(old.id) as Certificate;
      if (!row.renewable)
        throw new Problem('wrong-state', `Certificate ${row.name} is ${row.state}; it is not renewed.`);
      if (!isDeepStrictEqual([inherited(row), linksNow.get(row.id)], [inherited(old), links]))
        throw new StalePredecessor(row);
      row.recordRenewal();
    }
    return rows;
  }

  /**
   * After certificates are issued and their deliveries are planned: they take over from their predecessors. `olds`: the
   * predecessors that are locked already. All of them are saved.
   */
  async issued(
    tx: Tx,
    successors: readonly Pick<Certificate, 'id' | 'renewsId'>[],
    olds = new Map<number, Certificate>(),
  ): Promise<void> {
    if (successors.length > 0) await this.succeed(tx, successors, olds);
    await this.due.saveOutlooks(tx, [...olds.values()]);
  }

  /** After a certificate with a requested successor got these destinations: the successor is delivered there too. */
  async deliverTo(tx: Tx, oldId: number, destinationIds: readonly number[]): Promise<void> {
    const successor = destinationIds.length > 0 ? await this.certificates.findSuccessor(tx, oldId) : null;
    if (successor) await this.deploying.plan(tx, successor.id, destinationIds, successor.bodyPem !== null);
  }

  /** When a successor may be deployed at every destination: see Settling. */
  settle(tx: Tx, successorId: number): Promise<void> {
    return this.settling.settle(tx, [successorId], new Map());
  }

  /** After a successor was revoked, cancelled or deleted: see Reinstating. */
  withdrawn(tx: Tx, successor: Certificate): Promise<number[]> {
    return this.reinstating.withdrawn(tx, successor);
  }

  /** `olds`: predecessors that are locked already. Others that it locks are added; the caller saves what is left. */
  private async succeed(
    tx: Tx,
    successors: readonly Pick<Certificate, 'id' | 'renewsId'>[],
    olds: Map<number, Certificate>,
  ): Promise<void> {
    const oldIds = await predecessorsOfMany(
      tx,
      successors.map(({ id }) => id),
    );
    await this.takePlaces(
      tx,
      successors.map((one) => ({ ...one, oldIds: oldIds.get(one.id) ?? [] })),
      olds,
    );
    const renewals = successors.filter(({ renewsId }) => renewsId !== null);
    await this.settling.settle(
      tx,
      renewals.map(({ id }) => id),
      olds,
    );
  }

  /** As `succeed`, without superseding them. */
  private async takePlaces(tx: Tx, successors: readonly Taking[], olds: Map<number, Certificate>): Promise<void> {
    const taking = successors.filter(({ oldIds }) => oldIds.length > 0);
    if (taking.length === 0) return;
    const takenIds = taking.flatMap(({ oldIds }) => oldIds);
    await this.certificates.lockById(tx, takenIds, olds);
    for (const { oldIds, renewsId } of taking)
      for (const oldId of oldIds) {
        if (oldId === renewsId) olds.get(oldId)?.recordRenewed();
        else olds.get(oldId)?.recordReplaced();
      }
    await this.stopDeliveries(tx, taking, takenIds);
  }

  /** The deliveries of predecessors that have not arrived stop where the successor is delivered. */
  private async stopDeliveries(tx: Tx, taking: readonly Taking[], takenIds: readonly number[]): Promise<void> {
    const open = (await this.deliveries.lockOf(tx, ...takenIds)).filter(({ state }) =>
      ['planned', 'failing', 'rolled-back'].includes(state),
    );
    if (open.length === 0) return;
    const links = await linksOfMany(
      tx,
      taking.map(({ id }) => id),
    );
    const stopped = open.filter(({ certificateId, destinationId }) =>
      taking.some(
        ({ id, oldIds }) => oldIds.includes(certificateId) && links.get(id)?.destinationIds.includes(destinationId),
      ),
    );
    stopped.forEach((delivery) => delivery.replace());
    await this.deliveries.save(tx, stopped);
  }
}

function hasEnded({ state, notAfter }: Pick<Certificate, 'state' | 'notAfter'>, now: Date): boolean {
  if (state === 'issued' || state === 'superseded') return notAfter <= now;
  return state !== 'requested' && state !== 'pending';
}

function without(ids: readonly number[], gone: readonly number[]): number[] {
  return ids.filter((id) => !gone.includes(id));
}
