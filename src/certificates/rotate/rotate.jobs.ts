import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';

/**
 * The job that renews one certificate, if it is due. Its handler is in `rotate.job.ts`; a revocation enqueues it too.
 */
export const rotateCertificate = defineJob('certificate.rotate', z.strictObject({ certificateId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
});
