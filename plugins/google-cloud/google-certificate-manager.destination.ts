import { z } from 'zod';
import { hashedStem } from '../../src/pki/file-stem.js';
import { isSameLeaf, pairFault } from '../../src/pki/key-pair.js';
import { pemText } from '../../src/pki/pem.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import { CertificateManager } from './certificate-manager.client.js';
import { googleAccess } from './google-cloud.options.js';

const placeholder = '{commonName}';
const longestName = 63;

const options = z.strictObject({
  ...googleAccess('Certificate Manager Editor', 'the certificates'),
  location: z
    .string()
    .regex(/^(?:global|[a-z]+-[a-z]+\d{1,2})$/, 'must be global or a region such as europe-west3')
    .default('global')
    .meta({ title: 'Location', description: 'global, or the region of the load balancers.' }),
  scope: z
    .enum(['DEFAULT', 'EDGE_CACHE', 'ALL_REGIONS'])
    .default('DEFAULT')
    .meta({
      title: 'Scope',
      description:
        'Of new certificates. DEFAULT: for load balancers of the location. EDGE_CACHE: for Media CDN. ALL_REGIONS: ' +
        'for cross-region internal load balancers.',
    }),
  name: z
    .string()
    .max(longestName)
    .refine(
      (name) => /^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name.replaceAll(placeholder, 'x')),
      `must be lower-case letters, digits and hyphens, a letter first; the only placeholder is ${placeholder}`,
    )
    .default(placeholder)
    .meta({
      title: 'Name',
      description:
        `Of the certificate. ${placeholder} stands for the common name in lower case, with hyphens for dots and ` +
        'wildcard for *. A name without it has room for one certificate.',
    }),
  overwrite: z.boolean().default(false).meta({
    title: 'Overwrite',
    description: 'Replaces a self-managed certificate of this name that this program has not made.',
  }),
});

type ManagerOptions = Options<typeof options>;

/** Uploads self-managed certificates to Certificate Manager, each successor in place of its predecessor. */
export const googleCertificateManager = defineDestination({
  id: 'google-certificate-manager',
  title: 'Google Cloud Certificate Manager',
  description:
    'Uploads self-managed certificates to Certificate Manager and replaces them under the same name, so that ' +
    'certificate maps and load balancers go on with the new one.',
  options,
  needsPrivateKey: true,

  async check(o, ctx) {
    await new CertificateManager(o, ctx).find(nameOf('www.example.com', o));
  },

  locate: ({ bundle }, o) => locationOf(bundle, o),

  async deliver({ bundle }, o, ctx) {
    const { chainPem, privateKeyPem = '' } = bundle;
    const fault = pairFault(chainPem[0], privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    const manager = new CertificateManager(o, ctx);
    const name = nameOf(bundle.commonName, o);
    const material = { pemCertificate: pemText(chainPem), pemPrivateKey: pemText([privateKeyPem]) };
    const held = await manager.find(name);
    if (held !== null && !held.isOurs && !o.overwrite)
      throw new PluginError(
        'misconfigured',
        `The certificate ${name} was not made by this program. Choose another name, or allow to overwrite it.`,
      );
    if (held === null) await manager.create(name, material);
    else if (!isSame(held.pem, bundle)) await manager.replace(name, material);
    return { location: locationOf(bundle, o) };
  },

  async verify({ bundle }, o, ctx) {
    const name = nameOf(bundle.commonName, o);
    const held = await new CertificateManager(o, ctx).find(name);
    if (held === null) return { state: 'missing' };
    if (isSame(held.pem, bundle)) return { state: 'same' };
    return { state: 'different', detail: `${name} is another certificate.` };
  },

  async remove({ bundle }, o, ctx) {
    const manager = new CertificateManager(o, ctx);
    const name = nameOf(bundle.commonName, o);
    const held = await manager.find(name);
    if (held === null || !isSame(held.pem, bundle)) return;
    if (held.isOurs) return manager.delete(name);
    throw new PluginError(
      'misconfigured',
      `The certificate ${name} was not made by this program, which therefore does not delete it.`,
    );
  },
});

function isSame(heldPem: string, { chainPem: [leafPem = ''] }: Bundle): boolean {
  return isSameLeaf(heldPem, leafPem) === true;
}

function nameOf(commonName: string, { name }: ManagerOptions): string {
  const plain = commonName
    .toLowerCase()
    .replace(/^\*(?=\.|$)/, 'wildcard')
    .replace(/[^0-9a-z-]/g, '-');
  const wanted = name
    .replaceAll(placeholder, plain)
    .replace(/^(?![a-z])/, 'c-')
    .replace(/-+$/, '');
  return wanted.length <= longestName ? wanted : hashedStem(wanted, commonName, longestName);
}

function locationOf({ commonName }: Bundle, o: ManagerOptions): string {
  return `${o.project ?? 'project of the account'}/${o.location}/${nameOf(commonName, o)}`;
}
