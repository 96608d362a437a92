import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/** Moves every sealed value to the newest key. Cut off, it goes on where it was. */
export const rekeyAll = defineJob('secrets.rekey', z.object({}), {
  attempts: 5,
  timeoutS: 4 * 3600,
  backoffS: 30,
  concurrency: 1,
});
