import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { Reference } from '../platform/http/reference.js';
import { OptionValueView, PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import type { Notification } from './notification.repository.js';

const Certificates = z.array(Reference).max(1000);

/** POST and PUT /notifications. */
export const NotificationRequest = z
  .strictObject({
    id: z.int().optional().meta({ description: "Ignored; Lemur's clients send the whole object back." }),
    builtIn: z.boolean().optional().meta({ description: 'Ignored, as `id` is.' }),
    label: z
      .string()
      .trim()
      .min(1)
      .max(256)
      .meta({ description: "Unique whatever its case. Labels that begin with `DEFAULT_` are the program's." }),
    description: z.string().max(1024).nullish(),
    active: z.boolean().default(true),
    plugin: PluginInput,
    options: z.unknown().optional().meta({ description: 'Ignored, as `id` is.' }),
    certificates: Certificates.optional().meta({ description: 'That it warns about too, from now on.' }),
    addedCertificates: Certificates.optional().meta({ description: 'The same as `certificates`.' }),
    removedCertificates: Certificates.optional().meta({
      description:
        "That it no longer warns about. One that nothing else warns about gets its owner's default notifications.",
    }),
  })
  .meta({ id: 'NotificationRequest' });
export type NotificationRequest = z.output<typeof NotificationRequest>;

export const NotificationView = z
  .object({
    id: z.int(),
    label: z.string(),
    description: z.string().nullable(),
    active: z.boolean(),
    plugin: PluginView,
    options: z.array(OptionValueView).meta({ description: 'The same as `plugin.pluginOptions`.' }),
    builtIn: z.boolean().meta({
      description:
        'Whether the program made it for an owner who has none. Such a one can be ' +
        'switched off and sent to others; its label and interval stay.',
    }),
  })
  .meta({ id: 'Notification' });
export type NotificationView = z.output<typeof NotificationView>;

export function notificationView(
  { id, label, description, active, builtIn }: Notification,
  plugin: PluginView,
): NotificationView {
  return { id, label, description, active, plugin, options: plugin.pluginOptions, builtIn };
}

/** What a test message came to. */
export const TestView = z
  .object({ ok: z.boolean(), fault: z.string().nullable(), detail: z.string().nullable() })
  .meta({ id: 'NotificationTest' });
export type TestView = z.output<typeof TestView>;

export const NotificationQuery = listQuery('id', 'label', 'pluginName', 'active').extend({
  active: queryBoolean().optional(),
});
export type NotificationQuery = z.output<typeof NotificationQuery>;
