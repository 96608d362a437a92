import { z } from 'zod';
import { writeJks } from '../../src/pki/jks.js';
import { generatePassphrase, trustEntries } from '../../src/pki/keystore.js';
import { defineExport } from '../../src/plugin-api/export.js';
import { printable } from '../../src/plugin-api/store-options.js';
import { jksOptions } from './java-keystore.export.js';

/** Certificates to be trusted by Java, in a JKS file. The passphrase protects integrity only. */
export const javaTruststoreExport = defineExport({
  id: 'java-truststore',
  aliases: ['java-truststore-jks'],
  title: 'Java trust store (JKS)',
  description:
    'The certificate and its chain (root included) as trusted entries of a .jks file, without the private key.',
  needsPrivateKey: false,
  options: z.strictObject(jksOptions),

  fileNames: (stem) => [`${stem}.jks`],
  generatesPassphrase: ({ passphrase }) => passphrase === undefined,

  async export({ bundle, stem }, { alias, passphrase: given }, ctx) {
    const passphrase = printable(given ?? generatePassphrase());
    const bytes = writeJks(trustEntries(alias ?? bundle.commonName, bundle), passphrase, ctx.now());
    return { files: [{ name: `${stem}.jks`, bytes, mode: 0o644 }], passphrase, extension: 'jks' };
  },
});
