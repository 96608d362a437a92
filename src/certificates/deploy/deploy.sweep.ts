import { Injectable, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { Destinations } from '../../destinations/destinations.js';
import { defineJob } from '../../jobs/define-job.js';
import { defineLane } from '../../jobs/lane.js';
import { inBatches } from '../../jobs/in-batches.js';
import { Periodic } from '../../jobs/periodic.js';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database, type Tx } from '../../platform/db/database.js';
import type { Delivery } from './delivery.entity.js';
import { DeliveryRepository } from './delivery.repository.js';

/** The lane of one destination, so that a destination that hangs delays no other. */
const destinationLane = defineLane('destination', { atOnce: 4 });

/** The job that delivers one certificate to one destination, or removes it from there. */
export const deployCertificate = defineJob('certificate.deploy', z.strictObject({ deliveryId: z.int() }), {
  attempts: 3,
  timeoutS: 300,
  concurrency: 16,
});

/** Enqueues deliveries for after the commit, each in the lane of its destination. */
export async function enqueueDeliveries(
  tx: Tx,
  deliveries: readonly { id: number; destinationId: number }[],
): Promise<void> {
  await deployCertificate.enqueueMany(
    tx,
    deliveries.map(({ id, destinationId }) => ({ data: { deliveryId: id }, lane: destinationLane.of(destinationId) })),
  );
}

/** Enqueues the next check of a delivery for its moment. */
export async function enqueueCheck(tx: Tx, delivery: Delivery, now: Date): Promise<void> {
  const { id, destinationId, nextAttemptAt } = delivery;
  const afterS = nextAttemptAt === null ? 0 : Math.max(0, (nextAttemptAt.getTime() - now.getTime()) / 1000);
  await deployCertificate.enqueueMany(tx, [
    { data: { deliveryId: id }, lane: destinationLane.of(destinationId), afterS: Math.ceil(afterS) },
  ]);
}

/** A delivery is due again after this time, unless its attempt has set another time. */
const againMs = 10 * 60_000;
const batch = 200;

/** Periodically enqueues the deliveries and removals that are due. */
@Injectable()
export class DeploySweep implements OnModuleInit {
  constructor(
    private readonly periodic: Periodic,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly deliveries: DeliveryRepository,
    private readonly destinations: Destinations,
  ) {}

  onModuleInit(): void {
    this.periodic.everyTick('due-deliveries', this.config.sweepIntervalS, (signal, report) =>
      inBatches({ db: this.db, signal, report }, { kind: 'deliveries', most: batch }, (tx, most) =>
        this.take(tx, most),
      ),
    );
    this.periodic.onSetBack((tx, step) => this.deliveries.setBack(tx, step));
    // Other options or addresses may tell what nobody could tell before, and `repush` delivers again what differs.
    this.destinations.onChanged((tx, id) => this.deliveries.recheck(tx, id, this.clock.now()));
  }

  private async take(tx: Tx, limit: number): Promise<number> {
    const now = this.clock.now();
    const due = await this.deliveries.takeDue(tx, now, { again: new Date(now.getTime() + againMs), limit });
    await enqueueDeliveries(tx, due);
    return due.length;
  }
}
