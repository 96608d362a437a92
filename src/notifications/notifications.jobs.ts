import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/**
 * A subscription has changed: plan the next warning of every certificate of which it hears, from the id `after` on.
 */
export const replanSubscription = defineJob(
  'subscription.replan',
  z.strictObject({ subscriptionId: z.int(), after: z.int().default(0) }),
  { concurrency: 1, timeoutS: 600 },
);
