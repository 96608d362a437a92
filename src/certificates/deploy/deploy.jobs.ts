import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';

/** Brings one certificate to one destination, or takes it away from there. */
export const deployCertificate = defineJob('certificate.deploy', z.strictObject({ deliveryId: z.int() }), {
  attempts: 3,
  timeoutS: 300,
});
