import { z } from 'zod';
import { writeJks } from '../../src/pki/jks.js';
import { generatePassphrase, keyEntry } from '../../src/pki/keystore.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineExport } from '../../src/plugin-api/export.js';
import { aliasOption, passphraseOption, printable } from '../../src/plugin-api/store-options.js';

/** Options of every JKS file. */
export const jksOptions = {
  passphrase: passphraseOption(
    6,
    'Opens the store and its key: 6 to 128 printable ASCII characters. Generated when left empty.',
  ),
  alias: aliasOption,
};

const options = z.strictObject({
  type: z.enum(['Java Key Store (JKS)']).optional().meta({
    title: 'Type',
    description: 'Only for clients of Lemur; has a single value.',
  }),
  ...jksOptions,
});

/** One key with its chain in a JKS file; key and store have the same password. */
export const javaKeystoreExport = defineExport({
  id: 'java-keystore',
  aliases: ['java-keystore-jks', 'java-export'],
  title: 'Java key store (JKS)',
  description:
    'The private key, the certificate and its chain (without the root) in a .jks file. ' +
    'JKS protects the key weakly: prefer PKCS#12 where the application reads it.',
  needsPrivateKey: true,
  options,

  fileNames: (stem) => [`${stem}.jks`],
  generatesPassphrase: ({ passphrase }) => passphrase === undefined,

  async export({ bundle, stem }, { alias, passphrase: given }, ctx) {
    if (!bundle.privateKeyPem)
      throw new PluginError('misconfigured', 'This certificate is stored without its private key.');
    const passphrase = printable(given ?? generatePassphrase());
    const entry = keyEntry(alias ?? bundle.commonName, bundle.chainPem, bundle.privateKeyPem);
    const bytes = writeJks([entry], passphrase, ctx.now());
    return { files: [{ name: `${stem}.jks`, bytes, mode: 0o600 }], passphrase, extension: 'jks' };
  },
});
