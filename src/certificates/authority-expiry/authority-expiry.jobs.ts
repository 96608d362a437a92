import { z } from 'zod';
import { defineJob } from '../../jobs/define-job.js';

/** Tells of the end of one authority. `notAfter` is ISO 8601. */
export const warnOfAuthority = defineJob(
  'authority.warn',
  z.strictObject({ authorityId: z.int(), leadDays: z.int(), notAfter: z.iso.datetime() }),
  { attempts: 3, timeoutS: 60 },
);
