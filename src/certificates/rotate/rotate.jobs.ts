import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';

/** Requests the successor of one certificate. */
export const rotateCertificate = defineJob('certificate.rotate', z.strictObject({ certificateId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
});
