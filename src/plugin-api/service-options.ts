import { z } from 'zod';
import { PluginError } from './errors.js';
import type { Options } from './options.js';
import type { FetchRequest, Site } from './site.js';

/** The options by which every plugin for a service over HTTPS says how it is reached. */
export const serviceOptions = {
  caCertificates: z
    .string()
    .max(262_144)
    .regex(/-----BEGIN CERTIFICATE-----/, 'must hold PEM certificates')
    .optional()
    .meta({
      title: 'CA certificates of the server',
      description: 'PEM. Only these CAs are trusted for the connection. Absent: the public ones.',
    }),
  timeoutS: z.int().min(1).max(300).default(30).meta({
    title: 'Timeout',
    description: 'Seconds until a request counts as unanswered.',
  }),
};

/** The address of a service. */
export const serviceUrl = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine((text) => isPlain(new URL(text)), 'must have neither user name, password, query nor fragment');

/** The same as a request takes it. */
export function connectionOf({
  caCertificates,
  timeoutS,
}: Options<z.ZodObject<typeof serviceOptions, z.core.$strict>>): Pick<FetchRequest, 'ca' | 'timeoutMs'> {
  return { ...(caCertificates !== undefined && { ca: caCertificates }), timeoutMs: timeoutS * 1000 };
}

/** The token that the operator keeps for this address. Throws PluginError `misconfigured` when there is none. */
export async function siteToken(site: Pick<Site, 'tokenFor'>, address: string): Promise<string> {
  const token = await site.tokenFor(address);
  if (token !== null) return token;
  throw new PluginError(
    'misconfigured',
    `This installation has no token of its own for ${address}: its operator sets one by SERVICE_FILES.`,
  );
}

function isPlain({ username, password, search, hash }: URL): boolean {
  return [username, password, search, hash].every((part) => part === '');
}
