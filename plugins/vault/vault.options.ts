import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import { serviceOptions, serviceUrl } from '../../src/plugin-api/service-options.js';

/** A path below the server: segments between single slashes. */
export const vaultPath = z
  .string()
  .max(255)
  .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be a path without slashes at its ends')
  .refine((path) => !path.split('/').some((part) => /^\.+$/.test(part)), 'must not hold "." or ".." as a segment');

/** Where a server is and how the program signs in there, whatever engine it uses. */
export const vaultAccess = {
  url: serviceUrl.meta({
    title: 'Address',
    description: 'Of the server, without `/v1`. Of a cluster, its active node or the load balancer.',
    examples: ['https://vault.example.com:8200'],
  }),
  namespace: vaultPath
    .optional()
    .meta({ title: 'Namespace', description: 'Namespace of the engine and of the sign-in.' }),
  token: secret('Token', 'Absent: the sign-in is by AppRole. It is renewed while it is used, where it can be.')
    .max(4096)
    .optional(),
  roleId: z.string().min(1).max(255).optional().meta({
    title: 'Role ID',
    description: 'RoleID of the AppRole, in place of a token.',
  }),
  secretId: secret('Secret ID', 'SecretID of the AppRole, unless it demands none.').max(255).optional(),
  authMount: vaultPath.default('approle').meta({
    title: 'Path of AppRole',
    description: 'Where the auth method AppRole is mounted, without `auth/`.',
  }),
};

export type VaultAccess = Options<z.ZodObject<typeof vaultAccess & typeof serviceOptions, z.core.$strict>>;

/** How the program signs in. */
export type SignIn = { kind: 'token'; token: string } | { kind: 'approle'; roleId: string; secretId?: string };

/** Throws PluginError `misconfigured` unless the options hold exactly one way to sign in. */
export function signInOf({ token, roleId, secretId }: VaultAccess): SignIn {
  if (token !== undefined && roleId === undefined && secretId === undefined) return { kind: 'token', token };
  if (token === undefined && roleId !== undefined)
    return { kind: 'approle', roleId, ...(secretId !== undefined && { secretId }) };
  throw new PluginError('misconfigured', 'Give either a token, or the role ID of an AppRole with its secret ID.');
}
