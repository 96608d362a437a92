import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { secret } from '../../src/plugin-api/options.js';

/** Options that select the account, path and credentials. */
export const iamOptions = {
  accountNumber: z
    .string()
    .regex(/^\d{12}$/, 'must have 12 digits')
    .optional()
    .meta({
      title: 'Account number',
      description: 'The 12 digits of the AWS account. If given, any other account is refused.',
    }),
  path: z
    .string()
    .regex(/^(?:\/|\/[!-~]{1,510}\/)?$/, 'must start and end with "/"')
    .default('/')
    .meta({
      title: 'Path',
      description:
        'IAM path of the certificates; starts and ends with "/". CloudFront requires a path below "/cloudfront/".',
      examples: ['/cloudfront/'],
    }),
  region: z
    .string()
    .regex(/^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as us-east-1')
    .default('us-east-1')
    .meta({
      title: 'Region',
      description: 'Region whose credentials sign the requests. IAM itself is global.',
    }),
  accessKeyId: z
    .string()
    .regex(/^\w{1,128}$/)
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
    .meta({
      title: 'Endpoint',
      description: "URL of an IAM emulator or a private endpoint. Absent: Amazon's own.",
    }),
};

/** `arn:partition:iam::account:server-certificate/path/name` */
export function accountOf(arn: string): string {
  return arn.split(':')[4] ?? '';
}

/** Throws PluginError when the options name an account other than the account of this ARN. */
export function ensureAccount(arn: string, { accountNumber }: { accountNumber?: string | undefined }): void {
  if (accountNumber !== undefined && accountOf(arn) !== accountNumber) {
    throw new PluginError(
      'misconfigured',
      `The credentials belong to account ${accountOf(arn)}, not ${accountNumber}.`,
    );
  }
}
