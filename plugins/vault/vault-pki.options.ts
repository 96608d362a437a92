import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Options } from '../../src/plugin-api/options.js';
import { serviceOptions } from '../../src/plugin-api/service-options.js';
import { vaultAccess, vaultPath } from './vault.options.js';

const segment = z
  .string()
  .max(255)
  .regex(/^[\w.-]+$/, 'must consist of letters, digits, dots, hyphens and underscores')
  .refine((name) => !/^\.+$/.test(name), 'must not be "." or ".."');

export const options = z.strictObject({
  ...vaultAccess,
  mount: vaultPath
    .default('pki')
    .meta({ title: 'Path of the engine', description: 'Where the PKI engine is mounted.' }),
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

/** Where requests are signed, below the engine. Throws PluginError `misconfigured` where a role is needed. */
export function signPathOf({ issuer, role, verbatim }: VaultPkiOptions): string {
  if (!verbatim && role === undefined)
    throw new PluginError('misconfigured', 'Give a role of the engine, or have requests signed verbatim.');
  const below = issuer === undefined ? '' : `/issuer/${issuer}`;
  return `${below}/${verbatim ? 'sign-verbatim' : 'sign'}${role === undefined ? '' : `/${role}`}`;
}
