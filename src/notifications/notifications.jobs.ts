import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/** A notification has changed: every certificate that it watches gets the date of its next warning anew. */
export const replanNotification = defineJob('notification.replan', z.strictObject({ notificationId: z.int() }), { concurrency: 1, timeoutS: 600 });
