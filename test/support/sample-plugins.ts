import { z } from 'zod';
import { defineDestination } from '../../src/plugin-api/destination.js';
import { defineExport } from '../../src/plugin-api/export.js';
import { secret } from '../../src/plugin-api/options.js';

export const about = (title: string) => ({ title, description: `About ${title}.` });

/** A destination with an option of each type, and two secrets. */
export const upload = defineDestination({
  id: 'upload',
  aliases: ['upload-destination'],
  title: 'Upload',
  description: 'For tests.',
  needsPrivateKey: true,
  options: z.strictObject({
    host: z.string().min(1).meta(about('Host')),
    port: z.int().min(1).max(65535).default(22).meta(about('Port')),
    verify: z.boolean().default(true).meta(about('Verify')),
    format: z.enum(['NGINX', 'Apache']).optional().meta(about('Format')),
    urls: z.array(z.string()).default([]).meta(about('Addresses')),
    password: secret('Password', 'About it.').optional(),
    token: secret('Token', 'About it.').optional(),
  }),
  locate: (_, o) => o.host,
  deliver: async (_, o) => ({ location: o.host }),
});
/** An export with one option, which is no secret. */
export const plain = defineExport({
  id: 'plain',
  title: 'Plain',
  description: 'For tests.',
  needsPrivateKey: false,
  fileNames: (stem) => [stem],
  options: z.strictObject({ host: z.string().optional().meta(about('Host')) }),
  export: async () => ({ files: [], extension: 'txt' }),
});
