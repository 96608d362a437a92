import { z } from 'zod';
import { secret } from '../../src/plugin-api/options.js';
import { isServiceAccount } from './google-cloud.client.js';

/** The options by which a service account signs in. `role` is what it must have, `has` what the project has. */
export function googleAccess(role: string, has: string) {
  return {
    serviceAccountKey: secret(
      'Service account key',
      `The JSON file with the key of a service account that has the role ${role}.`,
    )
      .max(16_384)
      .refine(isServiceAccount, 'must be the JSON file of a service account key'),
    project: z
      .string()
      .regex(/^[a-z0-9.:-]{1,100}$/, 'must be the id of a project')
      .optional()
      .meta({ title: 'Project', description: `Project that has ${has}. Absent: that of the service account.` }),
  };
}
