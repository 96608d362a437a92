import { z } from 'zod';
import type { Options } from '../../src/plugin-api/options.js';
import { serviceOptions } from '../../src/plugin-api/service-options.js';
import { vaultAccess, vaultPath } from './vault.options.js';

/** Stands in the path for the common name. */
export const placeholder = '{commonName}';

export const options = z.strictObject({
  ...vaultAccess,
  mount: vaultPath
    .default('secret')
    .meta({ title: 'Path of the engine', description: 'Where the KV engine is mounted. Its version is found out.' }),
  path: z
    .string()
    .max(255)
    .refine(
      (path) => vaultPath.safeParse(path.replaceAll(placeholder, 'x')).success,
      `must be a path without slashes at its ends; the only placeholder is ${placeholder}`,
    )
    .default(`certificates/${placeholder}`)
    .meta({
      title: 'Path of the secret',
      description:
        `Below the engine, without \`data/\`. ${placeholder} stands for the common name, with _wildcard for *. ` +
        'A path without it has room for one certificate.',
    }),
  fields: z
    .enum(['pem', 'tls'])
    .default('pem')
    .meta({
      title: 'Fields',
      description:
        'pem: certificate, chain, fullchain, private_key and serial_number. tls: tls.crt with the full chain and ' +
        'tls.key, as Kubernetes and External Secrets name them. Both: managed_by.',
    }),
  overwrite: z.boolean().default(false).meta({
    title: 'Overwrite',
    description: 'Replaces fields of these names that this program has not written. Other fields are always kept.',
  }),
  ...serviceOptions,
});

export type VaultKvOptions = Options<typeof options>;
