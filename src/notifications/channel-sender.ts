import { Injectable } from '@nestjs/common';
import type { NotificationMessage } from '../plugin-api/notification.js';
import type { Channel } from './channel.entity.js';
import { inLayout } from './channel-layout.js';
import { Layouts } from './layouts.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { StoredPlugin } from '../platform/plugins/configured-plugin.js';

/** What sending needs of a channel. */
export type SendingChannel = StoredPlugin & Partial<Pick<Channel, 'layout'>>;

/** Sends messages through channels. */
@Injectable()
export class ChannelSender {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
    private readonly layouts: Layouts,
  ) {}

  /** Throws PluginError. */
  async send(channel: SendingChannel, message: NotificationMessage, signal: AbortSignal): Promise<void> {
    const plugin = this.configured.plugin('notification', channel.pluginId);
    const laidOut = inLayout(message, await this.layouts.of(channel));
    await plugin.send(laidOut, this.configured.open(plugin, channel, 'channel'), this.contexts.make(signal));
  }

  /** Sends mail to the recipients of the message, without a channel. Throws PluginError. */
  async mail(message: NotificationMessage, signal: AbortSignal): Promise<void> {
    const { recipients, told = [], ...mail } = inLayout(message, await this.layouts.of(null));
    const { subject, text, html, dedupeKey } = mail;
    const to = recipients.filter((one) => !told.includes(one.toLowerCase()));
    if (to.length > 0) await this.contexts.make(signal).site.sendMail({ to, subject, text, html, dedupeKey });
  }
}
