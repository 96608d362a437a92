import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';

/** Sends the notices of these ids, which belong together in one message. */
export const sendNotices = defineJob('notice.send', z.strictObject({ noticeIds: z.array(z.int()).min(1) }), {
  attempts: 3,
  timeoutS: 60,
});
