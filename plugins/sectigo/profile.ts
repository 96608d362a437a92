import { z } from 'zod';
import { keyFactsOf } from '../../src/pki/key.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { CertificateTerms } from '../../src/plugin-api/terms.js';
import type { SectigoClient } from './sectigo.client.js';
import { customFieldsOf, type SectigoOptions } from './sectigo.options.js';

const dayMs = 24 * 60 * 60 * 1000;

/** A certificate profile of the account. `terms` are in days; without `keyTypes` it takes any key. */
export const Profile = z.object({
  id: z.int(),
  name: z.string(),
  description: z.string().nullish(),
  terms: z.array(z.int()).default([]),
  keyTypes: z.record(z.string(), z.array(z.string()).nullish()).nullish(),
});
export type Profile = z.infer<typeof Profile>;

const CustomField = z.object({ name: z.string(), mandatory: z.boolean().default(false) });

/** The profiles of the organization, for the product of the options. Throws PluginError. */
export function profilesOf(client: SectigoClient, { product, organizationId }: SectigoOptions): Promise<Profile[]> {
  return client.json(z.array(Profile), { path: `/${product}/v1/types`, query: { organizationId } });
}

/**
 * The profile of the options, once the custom fields that the account demands are there. Throws PluginError
 * `misconfigured` without one of them.
 */
export async function demandProfile(client: SectigoClient, options: SectigoOptions): Promise<Profile> {
  const { product, profileId } = options;
  const profiles = await profilesOf(client, options);
  const profile = profiles.find(({ id }) => id === profileId);
  if (!profile) {
    const known = profiles.map(({ id, name }) => `${id} (${name})`).join(', ');
    throw new PluginError(
      'misconfigured',
      `Sectigo has no certificate profile ${profileId} for this organization; it has ${known || 'none'}.`,
    );
  }
  const given = new Set(customFieldsOf(options).map(({ name }) => name));
  const fields = await client.json(z.array(CustomField), { path: `/${product}/v1/customFields` });
  const missing = fields.filter(({ name, mandatory }) => mandatory && !given.has(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new PluginError(
      'misconfigured',
      `Sectigo demands the custom field ${missing.join(', ')}: add it to the options.`,
    );
  const foreign = [...given].filter((name) => !fields.some((field) => field.name === name));
  if (foreign.length > 0) throw new PluginError('misconfigured', `Sectigo has no custom field ${foreign.join(', ')}.`);
  return profile;
}

/** Throws PluginError `refused` for a key that the profile does not take. */
export function demandKey({ name, keyTypes }: Profile, spkiDer: Buffer): void {
  const offered = Object.entries(keyTypes ?? {}).flatMap(([type, sizes]) => (sizes ?? []).map((size) => [type, size]));
  const { type, sizes } = keyOf(spkiDer);
  if (offered.length === 0 || type === undefined) return;
  if (offered.some(([one = '', size = '']) => one.toUpperCase() === type && sizes.includes(size.toUpperCase()))) return;
  const known = offered.map((one) => one.join(' ')).join(', ');
  throw new PluginError('refused', `Profile ${name} takes keys of ${known}, and not ${type} ${sizes[0] ?? ''}.`);
}

/** In the words of Sectigo, and others that it may use. A type of key that it has no word for has none. */
function keyOf(spkiDer: Buffer): { type?: 'RSA' | 'EC'; sizes: readonly string[] } {
  const { keyType, bits } = keyFactsOf(spkiDer);
  if (/^RSA/.test(keyType)) return { type: 'RSA', sizes: [String(bits)] };
  return /^ECC/.test(keyType) ? { type: 'EC', sizes: [`P-${bits}`, `P${bits}`, String(bits)] } : { sizes: [] };
}

/**
 * The term to ask for, in days: that of the options, else the longest that is within the validity asked for. Throws
 * PluginError.
 */
export function termOf(
  { name, terms }: Profile,
  { notBefore, notAfter }: Pick<CertificateTerms, 'notBefore' | 'notAfter'>,
  { termDays }: SectigoOptions,
): number {
  const offered = `Profile ${name} has terms of ${terms.join(', ')} days`;
  if (termDays !== undefined) {
    if (terms.includes(termDays)) return termDays;
    throw new PluginError('misconfigured', `${offered}, and not of ${termDays}.`);
  }
  const askedDays = Math.ceil((notAfter.getTime() - notBefore.getTime()) / dayMs);
  const within = terms.filter((days) => days <= askedDays);
  if (within.length > 0) return Math.max(...within);
  throw new PluginError(
    'refused',
    `${offered}, and the request asks for ${askedDays}: ask for a longer validity, or set the term of the authority.`,
  );
}
