import { z } from 'zod';
import { listQuery } from '../platform/http/page.js';
import { queryBoolean } from '../platform/http/query.js';
import { visibleText } from '../platform/http/visible-text.js';
import { isLeadOption } from '../platform/plugins/lead-options.js';
import { PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { ChannelLayout } from './channel-layout.js';
import { Digest, QuietHours } from './channel-times.js';
import type { Channel } from './channel.entity.js';

/** POST and PUT /channels. */
export const ChannelRequest = z
  .strictObject({
    label: visibleText(256).meta({ description: 'Unique, ignoring case.' }),
    description: z.string().max(1024).nullish(),
    active: z.boolean().default(true).meta({ description: 'An inactive channel sends nothing.' }),
    plugin: PluginInput,
    layout: ChannelLayout.nullish().meta({
      description: 'How its messages look. `GET /channels/{id}/preview` shows it.',
    }),
    quietHours: QuietHours.nullish().meta({
      description: 'Messages wait until these hours end, except for critical ones. Not together with `digest`.',
    }),
    digest: Digest.nullish().meta({
      description:
        'One message a day for all notices since the last one: by mail, one for each owner. Critical ones are ' +
        'sent at once.',
    }),
  })
  .refine(({ quietHours, digest }) => !quietHours || !digest, {
    path: ['digest'],
    error: 'cannot be given together with `quietHours`',
  })
  .meta({ id: 'ChannelRequest' });
export type ChannelRequest = z.output<typeof ChannelRequest>;

export const ChannelView = z
  .object({
    id: z.int(),
    label: z.string(),
    description: z.string().nullable(),
    active: z.boolean(),
    plugin: PluginView,
    layout: ChannelLayout.nullable(),
    quietHours: QuietHours.nullable(),
    digest: Digest.nullable(),
    recipients: z
      .array(z.string())
      .nullable()
      .meta({ description: 'Its mail addresses; null when it does not send mail.' }),
    origin: z.enum(['person', 'notification', 'program']).meta({
      description:
        'Who created it: a person here; a notification, which also changes and deletes it; or the program, for the ' +
        'default notifications of an owner.',
    }),
  })
  .meta({ id: 'Channel' });
export type ChannelView = z.output<typeof ChannelView>;

export function channelView(row: Channel, plugin: PluginView): ChannelView {
  const { id, label, description, active, recipients, layout, quietHours, digest, origin } = row;
  // The lead belongs to the subscription; Lemur's view shows it as an option of the plugin.
  const pluginOptions = plugin.pluginOptions.filter(({ name }) => !isLeadOption(name));
  const shown = { ...plugin, pluginOptions };
  return { id, label, description, active, plugin: shown, layout, quietHours, digest, recipients, origin };
}

/** The message that a channel sends next, and what of it leaves the program. */
export const PreviewView = z
  .object({
    from: z.enum(['notice', 'warning', 'test']).meta({
      description:
        'What is shown: the notice that is due next; the next warning of a certificate; or a test message, where the ' +
        'channel has neither.',
    }),
    event: z.string(),
    subject: z.string(),
    text: z.string(),
    html: z.string().nullable(),
    mailTo: z.array(z.string()).nullable().meta({ description: 'Null for a channel that does not send mail.' }),
    requests: z
      .array(z.object({ method: z.string(), host: z.string(), contentType: z.string().nullable(), body: z.string() }))
      .meta({ description: 'Without headers; secrets of the channel are `***`.' }),
    fault: z.string().nullable(),
    detail: z.string().nullable().meta({ description: 'Why nothing would be sent.' }),
  })
  .meta({ id: 'ChannelPreview' });
export type PreviewView = z.output<typeof PreviewView>;

export const ChannelQuery = listQuery('id', 'label', 'pluginName', 'active', 'origin').extend({
  active: queryBoolean().optional(),
});
export type ChannelQuery = z.output<typeof ChannelQuery>;
