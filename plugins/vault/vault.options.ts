import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type Options, secret } from '../../src/plugin-api/options.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { serviceOptions, serviceUrl, siteToken } from '../../src/plugin-api/service-options.js';

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
  token: secret(
    'Token',
    'Absent: the sign-in is by AppRole or by a role. It is renewed while it is used, where it can be.',
  )
    .max(4096)
    .optional(),
  roleId: z.string().min(1).max(255).optional().meta({
    title: 'Role ID',
    description: 'RoleID of the AppRole, in place of a token.',
  }),
  secretId: secret('Secret ID', 'SecretID of the AppRole, unless it demands none.').max(255).optional(),
  jwtRole: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({
      title: 'Role of Kubernetes or JWT',
      description:
        'Role of the auth method Kubernetes or JWT, in place of a token. The method gets the token that the operator ' +
        'keeps in a file for this address (`SERVICE_FILES`), for example that of the pod.',
    }),
  authMount: vaultPath.optional().meta({
    title: 'Path of the auth method',
    description: 'Where it is mounted, without `auth/`. Absent: `approle`, or `kubernetes` with a role of it.',
  }),
};

export type VaultAccess = Options<z.ZodObject<typeof vaultAccess & typeof serviceOptions, z.core.$strict>>;

/** How the program signs in. */
export type SignIn =
  | { kind: 'token'; token: string }
  | { kind: 'approle'; roleId: string; secretId?: string }
  | { kind: 'jwt'; role: string };

/** Throws PluginError `misconfigured` unless the options hold exactly one way to sign in. */
export function signInOf({ token, roleId, secretId, jwtRole }: VaultAccess): SignIn {
  const ways = [token, roleId, jwtRole].filter((way) => way !== undefined);
  if (ways.length === 1 && (secretId === undefined || roleId !== undefined)) {
    if (token !== undefined) return { kind: 'token', token };
    if (jwtRole !== undefined) return { kind: 'jwt', role: jwtRole };
    if (roleId !== undefined) return { kind: 'approle', roleId, ...(secretId !== undefined && { secretId }) };
  }
  throw new PluginError(
    'misconfigured',
    'Give either a token, or the role ID of an AppRole with its secret ID, or a role of Kubernetes or JWT.',
  );
}

/** Throws PluginError `misconfigured` when the options cannot sign in, or not at this installation. */
export async function demandSignIn(access: VaultAccess, { site }: PluginContext): Promise<void> {
  if (signInOf(access).kind === 'jwt') await siteToken(site, access.url);
}
