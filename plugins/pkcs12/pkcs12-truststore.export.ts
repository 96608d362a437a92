import { z } from 'zod';
import { generatePassphrase, trustEntries } from '../../src/pki/keystore.js';
import { writePkcs12TrustStore } from '../../src/pki/pkcs12.js';
import { defineExport } from '../../src/plugin-api/export.js';
import { printable } from '../../src/plugin-api/store-options.js';
import { pkcs12Options } from './pkcs12.export.js';

/** Certificates to be trusted by Java, in its default format since version 9. */
export const pkcs12TruststoreExport = defineExport({
  id: 'pkcs12-truststore',
  title: 'PKCS#12 trust store',
  description:
    'The certificate and its chain (root included) as trusted entries of a .p12 file, without the private key.',
  needsPrivateKey: false,
  options: z.strictObject(pkcs12Options),

  fileNames: (stem) => [`${stem}.p12`],
  generatesPassphrase: ({ passphrase }) => passphrase === undefined,

  async export({ bundle, stem }, { alias, passphrase: given }) {
    const passphrase = printable(given ?? generatePassphrase());
    const bytes = await writePkcs12TrustStore(trustEntries(alias ?? bundle.commonName, bundle), passphrase);
    return { files: [{ name: `${stem}.p12`, bytes, mode: 0o644 }], passphrase, extension: 'p12' };
  },
});
