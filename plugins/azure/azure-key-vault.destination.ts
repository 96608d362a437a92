import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { pairFault } from '../../src/pki/key-pair.js';
import { generatePassphrase, keyEntry } from '../../src/pki/keystore.js';
import { pemText } from '../../src/pki/pem.js';
import { writePkcs12KeyStore } from '../../src/pki/pkcs12.js';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import type { Options } from '../../src/plugin-api/options.js';
import { azureSignIn } from './azure.options.js';
import { type HeldCertificate, KeyVault, type VaultMaterial } from './key-vault.client.js';

const placeholder = '{commonName}';
const vaultHost = /^https:\/\/[a-z0-9-]{3,24}\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net)\/?$/;

const options = z.strictObject({
  vaultUrl: z
    .url()
    .regex(vaultHost, 'must be the address of a key vault, such as https://web.vault.azure.net')
    .meta({ title: 'Vault', description: 'Address of the key vault.', examples: ['https://web.vault.azure.net'] }),
  ...azureSignIn('Key Vault Certificates Officer for the vault'),
  name: z
    .string()
    .max(127)
    .refine(
      (name) => /^[0-9A-Za-z-]+$/.test(name.replaceAll(placeholder, 'x')),
      `must be letters, digits and hyphens; the only placeholder is ${placeholder}`,
    )
    .default(placeholder)
    .meta({
      title: 'Name',
      description:
        `Of the certificate in the vault. ${placeholder} stands for the common name, with hyphens for dots and ` +
        'wildcard for *. A name without it has room for one certificate.',
    }),
  format: z
    .enum(['pkcs12', 'pem'])
    .default('pkcs12')
    .meta({
      title: 'Format',
      description:
        'In which the vault gives the certificate with its key to others. pkcs12: as App Service, Application ' +
        'Gateway and Front Door read it.',
    }),
  overwrite: z.boolean().default(false).meta({
    title: 'Overwrite',
    description: 'Adds versions to a certificate of this name that this program has not made.',
  }),
});

type KeyVaultOptions = Options<typeof options>;

/** Imports certificates into an Azure key vault, each successor as the newest version of the same name. */
export const azureKeyVault = defineDestination({
  id: 'azure-key-vault',
  aliases: ['azure-keyvault-destination'],
  title: 'Azure Key Vault',
  description: 'Imports certificate, chain and key into an Azure key vault, each successor as a new version.',
  options,
  needsPrivateKey: true,

  async check(o, ctx) {
    await new KeyVault(o, ctx).find(nameOf('www.example.com', o));
  },

  locate: ({ bundle }, o) => locationOf(bundle, o),

  async deliver({ bundle }, o, ctx) {
    const { chainPem, privateKeyPem = '' } = bundle;
    const fault = pairFault(chainPem[0], privateKeyPem);
    if (fault !== null) throw new PluginError('refused', fault);
    const vault = new KeyVault(o, ctx);
    const name = nameOf(bundle.commonName, o);
    const held = await vault.find(name);
    if (held !== null && !held.isOurs && !o.overwrite)
      throw new PluginError(
        'misconfigured',
        `The certificate ${name} in the vault was not made by this program. Choose another name, or allow to ` +
          'overwrite it.',
      );
    if (!isSame(held, bundle)) await vault.import(name, await materialOf(bundle, privateKeyPem, o));
    return { location: locationOf(bundle, o) };
  },

  async verify({ bundle }, o, ctx) {
    const name = nameOf(bundle.commonName, o);
    const held = await new KeyVault(o, ctx).find(name);
    if (held === null) return { state: 'missing' };
    if (isSame(held, bundle)) return { state: 'same' };
    return { state: 'different', detail: `The newest version of ${name} in the vault is another certificate.` };
  },

  async remove({ bundle }, o, ctx) {
    const vault = new KeyVault(o, ctx);
    const name = nameOf(bundle.commonName, o);
    const held = await vault.find(name);
    if (held === null || !isSame(held, bundle)) return;
    if (held.isOurs) return vault.delete(name);
    throw new PluginError(
      'misconfigured',
      `The certificate ${name} in the vault was not made by this program, which therefore does not delete it.`,
    );
  },
});

/** As it travels to the vault, which decides by this form in which one it gives the certificate to others. */
async function materialOf(
  { chainPem, commonName }: Bundle,
  privateKeyPem: string,
  { format }: KeyVaultOptions,
): Promise<VaultMaterial> {
  if (format === 'pem') return { value: pemText([privateKeyPem, ...chainPem]), contentType: 'application/x-pem-file' };
  const passphrase = generatePassphrase();
  const pfx = await writePkcs12KeyStore(keyEntry(commonName, chainPem, privateKeyPem), passphrase, 'legacy');
  return { value: pfx.toString('base64'), contentType: 'application/x-pkcs12', pwd: passphrase };
}

function isSame(held: HeldCertificate | null, { chainPem: [leafPem = ''] }: Bundle): boolean {
  return held !== null && held.der.equals(new X509Certificate(leafPem).raw);
}

function nameOf(commonName: string, { name }: KeyVaultOptions): string {
  const plain = commonName.replace(/^\*(?=\.|$)/, 'wildcard').replace(/[^0-9A-Za-z-]/g, '-');
  return name.replaceAll(placeholder, plain).slice(0, 127);
}

function locationOf({ commonName }: Bundle, o: KeyVaultOptions): string {
  return `${o.vaultUrl.replace(/\/$/, '')}/certificates/${nameOf(commonName, o)}`;
}
