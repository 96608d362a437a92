import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/** A policy has changed: every certificate that follows it, from the id `after` on, gets its renewal date anew. */
export const replanPolicy = defineJob(
  'rotation.replan',
  z.strictObject({ policyId: z.int(), after: z.int().default(0) }),
  { concurrency: 1, timeoutS: 600 },
);
