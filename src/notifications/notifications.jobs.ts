import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/**
 * A notification has changed: every certificate that it watches, from the id `after` on, gets the date of its next
 * warning anew.
 */
export const replanNotification = defineJob(
  'notification.replan',
  z.strictObject({ notificationId: z.int(), after: z.int().default(0) }),
  { concurrency: 1, timeoutS: 600 },
);
