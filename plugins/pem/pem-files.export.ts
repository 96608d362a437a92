import { z } from 'zod';
import { hashedStem } from '../../src/pki/file-stem.js';
import { pemText } from '../../src/pki/pem.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineExport, type ExportedFile } from '../../src/plugin-api/export.js';

const options = z.strictObject({
  layout: z
    .enum(['directory', 'nginx', 'apache'])
    .default('directory')
    .meta({
      title: 'Layout',
      description:
        'directory: <name>/cert.pem, chain.pem, fullchain.pem, privkey.pem. ' +
        'nginx: <name>.pem with the full chain, <name>.key. apache: <name>.crt, <name>.key, <name>.ca-bundle.crt. ' +
        '<name> is the common name at a destination, with _wildcard for *.',
    }),
});

type Content = 'key' | 'leaf' | 'chain' | 'fullchain';

/** What each file of a layout holds, the main file first. */
const layouts: Readonly<Record<z.output<typeof options>['layout'], (stem: string) => [string, Content][]>> = {
  directory: (stem) => [
    [`${stem}/cert.pem`, 'leaf'],
    [`${stem}/fullchain.pem`, 'fullchain'],
    [`${stem}/chain.pem`, 'chain'],
    [`${stem}/privkey.pem`, 'key'],
  ],
  nginx: (stem) => [
    [`${stem}.pem`, 'fullchain'],
    [`${stem}.key`, 'key'],
  ],
  apache: (stem) => {
    // The certificate of `a.ca-bundle` would have the name of the chain of `a`.
    const own = stem.endsWith('.ca-bundle') ? hashedStem(stem, stem) : stem;
    return [
      [`${own}.crt`, 'leaf'],
      [`${own}.ca-bundle.crt`, 'chain'],
      [`${own}.key`, 'key'],
    ];
  },
};

/** Key, certificate and chain as separate PEM files, as servers read them. */
export const pemFilesExport = defineExport({
  id: 'pem-files',
  title: 'PEM files',
  description: 'The private key, the certificate and its chain as separate PEM files.',
  needsPrivateKey: true,
  options,

  fileNames: (stem, { layout }) => layouts[layout](stem).map(([name]) => name) as [string, ...string[]],

  async export({ bundle: { chainPem, privateKeyPem }, stem }, { layout }) {
    if (!privateKeyPem) throw new PluginError('misconfigured', 'This certificate is stored without its private key.');
    const texts: Readonly<Record<Content, string>> = {
      key: pemText([privateKeyPem]),
      leaf: pemText(chainPem.slice(0, 1)),
      chain: pemText(chainPem.slice(1)),
      fullchain: pemText(chainPem),
    };
    const files = layouts[layout](stem).map(([name, content]): ExportedFile => ({
      name,
      bytes: Buffer.from(texts[content]),
      mode: content === 'key' ? 0o600 : 0o644,
    }));
    return { files, extension: 'pem' };
  },
});
