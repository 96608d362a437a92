import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/** Looks at a source once. */
export const syncSource = defineJob('source.sync', z.strictObject({ syncId: z.int() }), {
  attempts: 6,
  timeoutS: 3600,
  backoffS: 20,
  concurrency: 2,
});

/** A sync whose job says nothing more is given out again after this time, when its run has certainly ended. */
export const syncLostMs = (syncSource.policy.timeoutS + 300) * 1000;
