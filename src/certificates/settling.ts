import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Clock } from '../platform/clock.js';
import type { Tx } from '../platform/db/database.js';
import { systemActor } from '../platform/http/actor.js';
import type { Certificate } from './certificate.entity.js';
import { CertificateRepository } from './certificate.repository.js';
import type { Delivery } from './deploy/delivery.entity.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';
import { Deploying } from './deploy/deploying.js';
import { DueRepository } from './due.repository.js';
import { Notices } from './notify/notices.js';

/** A deployed successor on the way up its line. `oldId`: the next predecessor. */
interface Line {
  successor: Certificate;
  oldId: number | null;
  /** The destinations at which it is delivered, and those at which it is or will be. */
  placeIds: readonly number[];
  knownIds: readonly number[];
}
type OpenLine = Line & { oldId: number };

/** A predecessor of the line at this step. */
interface Step {
  old: Certificate;
  line: Line;
}

/** Supersedes what a successor renews, once the successor is deployed at every destination. */
@Injectable()
export class Settling {
  constructor(
    private readonly clock: Clock,
    private readonly certificates: CertificateRepository,
    private readonly due: DueRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly deploying: Deploying,
    private readonly notices: Notices,
    private readonly audit: Audit,
  ) {}

  /**
   * For each of these that is deployed at every destination: supersedes everything that it renews, directly or in
   * several steps, and tells the owner. `locked`: predecessors that the caller has locked and may have changed; those
   * that are saved here are taken out.
   */
  async settle(tx: Tx, successorIds: readonly number[], locked: Map<number, Certificate>): Promise<void> {
    if (successorIds.length === 0) return;
    const successors = (await this.certificates.getMany(tx, successorIds)).filter(({ state }) => state === 'issued');
    const deliveries = await this.deliveriesOf(
      tx,
      successors.map(({ id }) => id),
    );
    const lines: Line[] = successors
      .map((successor) => ({ successor, all: deliveries.get(successor.id) ?? [] }))
      .filter(({ all }) => !all.some(({ isAwaited }) => isAwaited))
      .map(({ successor, all }) => ({
        successor,
        oldId: successor.renewsId,
        placeIds: destinationsOf(all.filter(({ state }) => state === 'delivered')),
        knownIds: destinationsOf(all.filter(({ state }) => state !== 'removed')),
      }));
    // A predecessor that was renewed before it was deployed has left its own predecessor active.
    for (let open = lines.filter(goesOn); open.length > 0;) open = (await this.step(tx, open, locked)).filter(goesOn);
  }

  /** Goes up one predecessor in each line. Returns the lines that go on. */
  private async step(tx: Tx, lines: readonly OpenLine[], locked: Map<number, Certificate>): Promise<Line[]> {
    const oldIds = lines.map(({ oldId }) => oldId);
    const olds = await this.certificates.lockById(tx, oldIds, new Map(locked));
    const deliveries = await this.deliveriesOf(tx, oldIds);
    const superseded: Step[] = [];
    const settled: Step[] = [];
    const told: Step[] = [];
    for (const line of lines) {
      const old = olds.get(line.oldId) as Certificate;
      const { successor, placeIds } = line;
      if (old.state === 'revoked' && old.id === successor.renewsId) told.push({ old, line });
      const waited = old.state === 'superseded' && old.awaitsDeployment && placeIds.length > 0;
      if (old.state !== 'issued' && !waited) continue;
      if (!waited && (await this.follow(tx, line, deliveries.get(old.id) ?? []))) continue;
      if (waited) {
        old.recordSuccessorDeployed();
      } else {
        old.supersede(this.clock.now(), placeIds.length === 0);
        superseded.push({ old, line });
      }
      settled.push({ old, line });
      told.push({ old, line });
    }
    const changed = new Set(settled.map(({ old }) => old));
    await this.due.saveOutlooks(tx, [...changed]);
    for (const { id } of changed) locked.delete(id);
    await this.recordSuperseded(tx, superseded, deliveries);
    for (const { old, line } of settled)
      if (line.placeIds.length > 0) await this.deploying.retire(tx, old.id, line.placeIds);
    await this.notices.rotated(
      tx,
      told.map(({ old, line: { successor, placeIds } }) => ({ old, successor, destinationIds: placeIds })),
    );
    return settled.map(({ old, line }) => ({ ...line, oldId: old.renewsId }));
  }

  /** Delivers the successor where the old certificate has arrived meanwhile. True when there is such a destination. */
  private async follow(tx: Tx, { successor, knownIds }: Line, ofOld: readonly Delivery[]): Promise<boolean> {
    const arrived = destinationsOf(ofOld.filter(({ state }) => state === 'delivered'));
    const missing = arrived.filter((id) => !knownIds.includes(id));
    await this.deploying.plan(tx, successor.id, missing, true);
    return missing.length > 0;
  }

  private async recordSuperseded(
    tx: Tx,
    steps: readonly Step[],
    deliveries: ReadonlyMap<number, readonly Delivery[]>,
  ): Promise<void> {
    if (steps.length === 0) return;
    await this.audit.recordMany(
      tx,
      steps.map(({ old, line: { successor, placeIds } }) => ({
        actor: systemActor('deploy'),
        act: {
          action: 'certificate.superseded',
          targetType: 'certificate',
          targetId: old.id,
          after: { successorId: successor.id, destinationIds: placeIds },
        },
      })),
    );
    const standing = steps
      .flatMap(({ old }) => deliveries.get(old.id) ?? [])
      .filter(({ state }) => ['planned', 'failing', 'delivered', 'rolled-back'].includes(state));
    standing.forEach((delivery) => delivery.replace());
    await this.deliveries.save(tx, standing);
  }

  /** The deliveries of each of these certificates, locked. */
  private async deliveriesOf(tx: Tx, certificateIds: readonly number[]): Promise<Map<number, Delivery[]>> {
    const byCertificate = new Map<number, Delivery[]>();
    for (const delivery of await this.deliveries.lockOf(tx, ...certificateIds))
      byCertificate.set(delivery.certificateId, [...(byCertificate.get(delivery.certificateId) ?? []), delivery]);
    return byCertificate;
  }
}

function goesOn(line: Line): line is OpenLine {
  return line.oldId !== null;
}

function destinationsOf(deliveries: readonly Delivery[]): number[] {
  return deliveries.map(({ destinationId }) => destinationId);
}
