import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';

/** Asks an issuer outside the process to sign, or for an order that it took earlier. */
export const issueCertificate = defineJob('certificate.issue', z.strictObject({ certificateId: z.int() }), {
  attempts: 3,
  timeoutS: 120,
});
