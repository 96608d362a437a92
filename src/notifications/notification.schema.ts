import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import type { Notification } from './notification.entity.js';

/** POST and PUT /notifications. */
export const NotificationRequest = z.strictObject({
  id: z.int().optional().meta({ description: 'Ignored; Lemur\'s clients send the whole object back.' }),
  label: z.string().trim().min(1).max(256),
  description: z.string().max(1024).nullish(),
  active: z.boolean().default(true),
  plugin: PluginInput,
}).meta({ id: 'NotificationRequest' });
export type NotificationRequest = z.output<typeof NotificationRequest>;

export const NotificationView = z.object({
  id: z.int(), label: z.string(), description: z.string().nullable(), active: z.boolean(), plugin: PluginView,
}).meta({ id: 'Notification' });
export type NotificationView = z.output<typeof NotificationView>;

export function notificationView({ id, label, description, active }: Notification, plugin: PluginView): NotificationView {
  return { id, label, description, active, plugin };
}

export const NotificationQuery = listQuery('id', 'label', 'pluginName', 'active');
