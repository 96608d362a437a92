import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { mayWriteToAnyone } from '../roles/permission.js';

/** Knows whom channels tell by mail, and whom they may tell. */
@Injectable()
export class Recipients {
  constructor(
    private readonly config: Config,
    private readonly configured: ConfiguredPlugins,
  ) {}

  /** Lower case; null for a channel that does not send mail. Throws PluginError. */
  of(channel: StoredPlugin): string[] | null {
    const plugin = this.configured.plugin('notification', channel.pluginId);
    const recipients = plugin.recipients?.(this.configured.open(plugin, channel, 'channel'));
    return recipients?.map((address) => address.toLowerCase()) ?? null;
  }

  /**
   * `known` may stay, whatever their domain. Throws Problem `invalid-request`, and `forbidden` for a channel that does
   * not send mail, of which the allowed domains say nothing.
   */
  demandAllowed(actor: Actor, recipients: readonly string[] | null, known: readonly string[]): void {
    if (recipients === null && !mayWriteToAnyone(actor))
      throw new Problem('forbidden', 'A channel that does not send mail is for administrators and operators.');
    const { notificationRecipientDomains: domains } = this.config;
    const stranger = recipients?.find(
      (one) => !known.includes(one) && !domains.includes(one.slice(one.lastIndexOf('@') + 1)),
    );
    if (domains.length > 0 && stranger !== undefined)
      throw invalid('plugin.options.recipients', `${stranger} is in none of the domains ${domains.join(', ')}.`);
  }
}
