import { z } from 'zod';
import { generatePassphrase, keyEntry } from '../../src/pki/keystore.js';
import { writePkcs12KeyStore } from '../../src/pki/pkcs12.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineExport } from '../../src/plugin-api/export.js';
import { aliasOption, passphraseOption, printable } from '../../src/plugin-api/store-options.js';

/** Options of every PKCS#12 file. */
export const pkcs12Options = {
  passphrase: passphraseOption(8, 'Opens the file: 8 to 128 printable ASCII characters. Generated when left empty.'),
  alias: aliasOption,
};

const options = z.strictObject({
  type: z
    .enum(['modern', 'legacy', 'PKCS12 (.p12)', 'legacy PKCS12 (.p12)'])
    .default('modern')
    .meta({
      title: 'Type',
      description:
        'modern: AES-256 and SHA-256; legacy: 3DES and SHA-1, for Java before 8u301 and Windows before Server 2019. ' +
        'The other two values are their names in Lemur.',
    }),
  ...pkcs12Options,
});

/** One key with its chain in a PKCS#12 file for OpenSSL, Java and Windows. */
export const pkcs12Export = defineExport({
  id: 'pkcs12',
  aliases: ['openssl-export'],
  title: 'PKCS#12',
  description: 'The private key, the certificate and its chain (without the root) in one encrypted .p12 file.',
  needsPrivateKey: true,
  options,

  fileNames: (stem) => [`${stem}.p12`],
  generatesPassphrase: ({ passphrase }) => passphrase === undefined,

  async export({ bundle, stem }, { type, alias, passphrase: given }) {
    if (!bundle.privateKeyPem)
      throw new PluginError('misconfigured', 'This certificate is stored without its private key.');
    const passphrase = printable(given ?? generatePassphrase());
    const entry = keyEntry(alias ?? bundle.commonName, bundle.chainPem, bundle.privateKeyPem);
    const bytes = await writePkcs12KeyStore(entry, passphrase, type.startsWith('legacy') ? 'legacy' : 'modern');
    return { files: [{ name: `${stem}.p12`, bytes, mode: 0o600 }], passphrase, extension: 'p12' };
  },
});
