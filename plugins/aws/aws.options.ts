import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { secret } from '../../src/plugin-api/options.js';

/** The name of a region. */
export const awsRegion = z
  .string()
  .regex(/^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as eu-central-1')
  .meta({ title: 'Region', description: 'The AWS region.', examples: ['eu-central-1'] });

/** The options by which every plugin for AWS signs in. `demandWhole` says which of them belong together. */
export const awsSignIn = {
  accessKeyId: z
    .string()
    .regex(/^\w{1,128}$/, 'must be an access key id')
    .optional()
    .meta({
      title: 'Access key id',
      description:
        'Absent: the credentials that the AWS SDK finds on this machine (environment, profile, instance role).',
    }),
  secretAccessKey: secret('Secret access key', 'Belongs to the access key id.').optional(),
  sessionToken: secret('Session token', 'Only for temporary credentials.').optional(),
  roleArn: z
    .string()
    .regex(/^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/, 'must be the ARN of a role')
    .optional()
    .meta({
      title: 'Role',
      description: 'ARN of a role that is assumed with these credentials, and works in their place.',
      examples: ['arn:aws:iam::123456789012:role/perennial'],
    }),
  externalId: z
    .string()
    .regex(/^[\w+=,.@:/-]{2,1224}$/, 'must be 2 to 1224 letters, digits and +=,.@:/-_')
    .optional()
    .meta({ title: 'External id', description: 'What the trust policy of the role demands as sts:ExternalId.' }),
  roleSessionName: z
    .string()
    .regex(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits and +=,.@-_')
    .default('perennial')
    .meta({ title: 'Session name', description: 'By which CloudTrail names who works in the role.' }),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ title: 'Endpoint', description: "URL of an emulator or a private endpoint. Absent: Amazon's own." }),
  stsEndpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      title: 'Endpoint of STS',
      description: 'URL at which roles are assumed and accounts are asked for. Absent: the endpoint.',
    }),
  timeoutS: z.int().min(1).max(300).default(30).meta({
    title: 'Timeout',
    description: 'Seconds until a request counts as unanswered.',
  }),
};

/** The same, for one account. */
export const awsAccount = {
  accountNumber: z
    .string()
    .regex(/^\d{12}$/, 'must have 12 digits')
    .optional()
    .meta({
      title: 'Account number',
      description: 'The 12 digits of the AWS account. If given, any other account is refused.',
    }),
  ...awsSignIn,
};

/** The options by which a plugin reaches the server certificates of an account below one path of IAM. */
export const iamAccess = {
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
  region: awsRegion.default('us-east-1').meta({
    title: 'Region',
    description: 'Region whose credentials sign the requests. IAM itself is global.',
  }),
  ...awsAccount,
};

/** The options by which a plugin reaches a service of AWS in one region. */
export const awsAccess = { region: awsRegion, ...awsAccount };

/** Throws PluginError `misconfigured` for options to sign in that are nothing without another one. */
export function demandWhole(o: {
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
  sessionToken?: string | undefined;
  roleArn?: string | undefined;
  externalId?: string | undefined;
}): void {
  if ((o.accessKeyId === undefined) !== (o.secretAccessKey === undefined))
    throw new PluginError('misconfigured', 'Give both the access key id and the secret access key, or neither.');
  if (o.sessionToken !== undefined && o.accessKeyId === undefined)
    throw new PluginError('misconfigured', 'A session token is for an access key id, which is not given.');
  if (o.externalId !== undefined && o.roleArn === undefined)
    throw new PluginError('misconfigured', 'An external id is for a role, which is not given.');
}
