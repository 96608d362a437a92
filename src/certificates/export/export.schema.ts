import { z } from 'zod';
import { PluginInput } from '../../platform/plugins/plugin.schema.js';

const Choice = z.strictObject({ plugin: PluginInput });

/** POST /certificates/{id}/export. Older clients wrap the choice in `export`. */
export const ExportRequest = z
  .union([Choice, z.strictObject({ export: Choice }).transform((body) => body.export)])
  .meta({ id: 'ExportRequest' });
export type ExportRequest = z.output<typeof ExportRequest>;

export const ExportView = z
  .object({
    extension: z.string(),
    passphrase: z.string().nullable().meta({ description: 'Opens the file; made up when none was given.' }),
    data: z.string().meta({ description: 'The file, base64.' }),
  })
  .meta({ id: 'Export' });
export type ExportView = z.output<typeof ExportView>;

export const KeyView = z.object({ key: z.string().meta({ description: 'PKCS#8 PEM.' }) }).meta({ id: 'PrivateKey' });
