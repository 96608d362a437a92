import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

const path = z
  .string()
  .max(255)
  .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be a path without slashes at its ends');
const segment = z
  .string()
  .max(255)
  .regex(/^[\w.-]+$/, 'must consist of letters, digits, dots, hyphens and underscores');

export const options = z.strictObject({
  url: serviceUrl.meta({
    title: 'Address',
    description: 'Of the server, without `/v1`. Of a cluster, its active node or the load balancer.',
    examples: ['https://vault.example.com:8200'],
  }),
  namespace: path.optional().meta({ title: 'Namespace', description: 'Namespace of the engine and of the sign-in.' }),
  token: secret('Token', 'Absent: the sign-in is by AppRole. It is renewed while it is used, where it can be.')
    .max(4096)
    .optional(),
  roleId: z.string().min(1).max(255).optional().meta({
    title: 'Role ID',
    description: 'RoleID of the AppRole, in place of a token.',
  }),
  secretId: secret('Secret ID', 'SecretID of the AppRole, unless it demands none.').max(255).optional(),
  authMount: path.default('approle').meta({
    title: 'Path of AppRole',
    description: 'Where the auth method AppRole is mounted, without `auth/`.',
  }),
  mount: path.default('pki').meta({ title: 'Path of the engine', description: 'Where the PKI engine is mounted.' }),
  role: segment.optional().meta({
    title: 'Role',
    description: 'Role of the engine that decides on names, key usage and longest validity.',
  }),
  verbatim: z.boolean().default(false).meta({
    title: 'Verbatim',
    description: 'Signs what is asked without the restrictions of a role (`sign-verbatim`); a role is optional then.',
  }),
  issuer: segment.optional().meta({
    title: 'Issuer',
    description: 'Name or ID of the issuer that signs. Absent: that of the role, or the default one of the engine.',
  }),
  ...serviceOptions,
});

export type VaultPkiOptions = Options<typeof options>;

/** How the program signs in. */
export type SignIn = { kind: 'token'; token: string } | { kind: 'approle'; roleId: string; secretId?: string };

/** Throws PluginError `misconfigured` unless the options hold exactly one way to sign in. */
export function signInOf({ token, roleId, secretId }: VaultPkiOptions): SignIn {
  if (token !== undefined && roleId === undefined && secretId === undefined) return { kind: 'token', token };
  if (token === undefined && roleId !== undefined)
    return { kind: 'approle', roleId, ...(secretId !== undefined && { secretId }) };
  throw new PluginError('misconfigured', 'Give either a token, or the role ID of an AppRole with its secret ID.');
}

/** Where requests are signed, below the engine. Throws PluginError `misconfigured` where a role is needed. */
export function signPathOf({ issuer, role, verbatim }: VaultPkiOptions): string {
  if (!verbatim && role === undefined)
    throw new PluginError('misconfigured', 'Give a role of the engine, or have requests signed verbatim.');
  const below = issuer === undefined ? '' : `/issuer/${issuer}`;
  return `${below}/${verbatim ? 'sign-verbatim' : 'sign'}${role === undefined ? '' : `/${role}`}`;
}
