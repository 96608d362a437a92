import { z } from 'zod';
import { certificateAsRead } from '../certificate.schema.js';
import { PluginInput } from '../../platform/plugins/plugin.schema.js';

const Choice = z.strictObject({ plugin: PluginInput });

/** POST /certificates/{id}/export. Older clients send `export.plugin`; Lemur's web page adds the whole certificate. */
export const ExportRequest = z
  .strictObject({ ...certificateAsRead, plugin: PluginInput.optional(), export: Choice.optional() })
  .transform(({ plugin, export: wrapped }, context) => {
    const chosen = plugin ?? wrapped?.plugin;
    if (chosen) return { plugin: chosen };
    context.addIssue({ code: 'custom', message: 'Required', path: ['plugin'] });
    return z.NEVER;
  })
  .meta({ id: 'ExportRequest' });
export type ExportRequest = z.output<typeof ExportRequest>;

/** The exported file. */
export const ExportView = z
  .object({
    extension: z.string(),
    passphrase: z
      .string()
      .nullable()
      .meta({ description: 'Passphrase of the file; generated if the request has none.' }),
    data: z.string().meta({ description: 'The first file in base64.' }),
    files: z
      .array(z.object({ name: z.string(), data: z.string() }))
      .meta({ description: 'All files, each in base64. A name may have one folder.' }),
  })
  .meta({ id: 'Export' });
export type ExportView = z.output<typeof ExportView>;

/** GET /certificates/{id}/key. */
export const KeyView = z
  .object({ key: z.string().nullable().meta({ description: 'PKCS#8 PEM; null if the key is not stored here.' }) })
  .meta({ id: 'PrivateKey' });
