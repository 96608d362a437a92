import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/** Removes the answer to a challenge that is no longer needed. */
export const removeChallenge = defineJob('challenge.remove', z.strictObject({ challengeId: z.int() }), {
  attempts: 3,
  timeoutS: 60,
});
