import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';
import { defineLane } from '../../jobs/lane.js';
import type { Tx } from '../../platform/db/database.js';

/** What is brought to one destination: a destination that hangs holds up no other. */
const destinationLane = defineLane('destination', { atOnce: 4 });

/** Brings one certificate to one destination, or takes it away from there. */
export const deployCertificate = defineJob('certificate.deploy', z.strictObject({ deliveryId: z.int() }), {
  attempts: 3,
  timeoutS: 300,
  concurrency: 16,
});

/** Has deliveries attempted after the commit, each in the lane of its destination. */
export async function enqueueDeliveries(
  tx: Tx,
  deliveries: readonly { id: number; destinationId: number }[],
): Promise<void> {
  await deployCertificate.enqueueMany(
    tx,
    deliveries.map(({ id, destinationId }) => ({ data: { deliveryId: id }, lane: destinationLane.of(destinationId) })),
  );
}
