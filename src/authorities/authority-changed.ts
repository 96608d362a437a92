import { z } from 'zod';
import { defineJob } from '../jobs/define-job.js';

/** An authority whose key is here is new, or its settings have changed: what it publishes is made anew. */
export const authorityChanged = defineJob('authority.changed', z.strictObject({ authorityId: z.int() }));
