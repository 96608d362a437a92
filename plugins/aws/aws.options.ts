import { z } from 'zod';
import { secret } from '../../src/plugin-api/options.js';

/** The options by which a plugin reaches a service of AWS in one region. */
export const awsAccess = {
  region: z
    .string()
    .regex(/^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as eu-central-1')
    .meta({ title: 'Region', description: 'The AWS region.', examples: ['eu-central-1'] }),
  accountNumber: z
    .string()
    .regex(/^\d{12}$/, 'must have 12 digits')
    .optional()
    .meta({
      title: 'Account number',
      description: 'The 12 digits of the AWS account. If given, any other account is refused.',
    }),
  accessKeyId: z
    .string()
    .regex(/^\w{16,128}$/, 'must be an access key id')
    .optional()
    .meta({
      title: 'Access key id',
      description:
        'Absent: the credentials that the AWS SDK finds on this machine (environment, profile, instance role).',
    }),
  secretAccessKey: secret('Secret access key', 'Belongs to the access key id.').optional(),
  sessionToken: secret('Session token', 'Only for temporary credentials.').optional(),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ title: 'Endpoint', description: "URL of an emulator or a private endpoint. Absent: Amazon's own." }),
  timeoutS: z.int().min(1).max(300).default(30).meta({
    title: 'Timeout',
    description: 'Seconds until a request counts as unanswered.',
  }),
};
