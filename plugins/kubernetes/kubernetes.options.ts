import { z } from 'zod';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';
import { objectName, placeholder } from './secret-name.js';

/** The address of a cluster. */
export const clusterUrl = serviceUrl.meta({
  title: 'Address',
  description: 'Of the API server of the cluster.',
  examples: ['https://k8s.example.com:6443'],
});

/** The token of a service account that has `rights`. */
export function clusterToken(rights: string): z.ZodOptional<z.ZodString> {
  return secret(
    'Token',
    `Bearer token of a service account that ${rights}. Absent: the token that the operator keeps in a file for this ` +
      'address (`SERVICE_FILES`), for example that of the pod.',
  )
    .max(8192)
    .optional();
}

/** A DNS label (RFC 1123 §2.1) in lower case. */
export const namespaceName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'must be the name of a namespace');

export const options = z.strictObject({
  url: clusterUrl,
  token: clusterToken('may get, create, patch and delete secrets'),
  namespace: namespaceName
    .default('default')
    .meta({ title: 'Namespace', description: 'Namespace of the secrets, which must exist.' }),
  name: z
    .string()
    .max(200)
    .refine(
      (name) => objectName.test(name.replaceAll(placeholder, 'x')),
      `must be lower-case letters, digits, dots and hyphens; the only placeholder is ${placeholder}`,
    )
    .default(placeholder)
    .meta({
      title: 'Name of the secret',
      description:
        `${placeholder} stands for the common name in lower case, with wildcard for *. ` +
        'A name without it has room for one certificate.',
    }),
  overwrite: z.boolean().default(false).meta({
    title: 'Overwrite',
    description:
      'Takes over fields of the secret that something else manages. Absent: the delivery fails and names it.',
  }),
  ...serviceOptions,
});

export type KubernetesOptions = Options<typeof options>;

/** How the API is reached. */
export type KubernetesAccess = Pick<KubernetesOptions, 'url' | 'token' | 'caCertificates' | 'timeoutS'>;
