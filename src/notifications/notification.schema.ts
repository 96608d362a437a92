import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { OptionValueView, PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { ListedCertificates, subscriptionMembers } from './subscription.schema.js';

/** POST and PUT /notifications. */
export const NotificationRequest = z
  .strictObject({
    id: z.int().optional().meta({ description: "Ignored; Lemur's clients send the whole object." }),
    builtIn: z.boolean().optional().meta({ description: 'Ignored, as `id` is.' }),
    ...subscriptionMembers,
    plugin: PluginInput,
    options: z.unknown().optional().meta({ description: 'Ignored, as `id` is.' }),
    certificates: ListedCertificates.optional().meta({ description: 'Certificates to add.' }),
    addedCertificates: ListedCertificates.optional().meta({ description: 'The same as `certificates`.' }),
    removedCertificates: ListedCertificates.optional().meta({
      description: "Certificates to remove. Those without another warning get their owner's default notifications.",
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
        'True for a default notification, made by the program. It can be switched off and sent to others; its label ' +
        'and interval cannot change.',
    }),
  })
  .meta({ id: 'Notification' });
export type NotificationView = z.output<typeof NotificationView>;

export function notificationView(
  { id, label, description, active, builtIn }: Omit<NotificationView, 'plugin' | 'options'>,
  plugin: PluginView,
): NotificationView {
  return { id, label, description, active, plugin, options: plugin.pluginOptions, builtIn };
}

/** The outcome of a test message. */
export const TestView = z
  .object({ ok: z.boolean(), fault: z.string().nullable(), detail: z.string().nullable() })
  .meta({ id: 'NotificationTest' });
export type TestView = z.output<typeof TestView>;

export const NotificationQuery = listQuery('id', 'label', 'pluginName', 'active').extend({
  active: queryBoolean().optional(),
});
export type NotificationQuery = z.output<typeof NotificationQuery>;
