import { z } from 'zod';
import { splitCertificates } from '../../src/pki/pem.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineExport } from '../../src/plugin-api/export.js';

const options = z.strictObject({
  content: z.enum(['fullchain', 'certificate', 'chain']).default('fullchain').meta({
    title: 'Content',
    description: 'fullchain: the certificate, then its issuers; certificate: it alone; chain: its issuers alone.',
  }),
});

const RANGES = { fullchain: [0], certificate: [0, 1], chain: [1] } as const;

/** Certificates without the key, for servers that read the key from another file. */
export const pemExport = defineExport({
  id: 'pem',
  title: 'PEM',
  description: 'The certificate, its chain or both as PEM text, without the private key.',
  needsPrivateKey: false,
  options,

  fileNames: (stem) => [`${stem}.pem`],

  async export({ bundle, stem }, { content }) {
    const chosen = bundle.chainPem.slice(...RANGES[content]);
    if (chosen.length === 0) throw new PluginError('misconfigured', 'This certificate is stored without a chain.');
    const bytes = Buffer.from(splitCertificates(chosen.join('\n')).join(''));
    return { files: [{ name: `${stem}.pem`, bytes, mode: 0o644 }], extension: 'pem' };
  },
});
