import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { mayWriteToAnyone } from '../roles/permission.js';

/** The mail addresses of channels, and the rule on which are allowed. */
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
   * Addresses in `known` may stay, in any domain. Throws Problem `invalid-request`, and `forbidden` for a channel that
   * does not send mail, to which the allowed domains do not apply.
   */
  demandAllowed(actor: Actor, recipients: readonly string[] | null, known: readonly string[]): void {
    if (recipients === null && !mayWriteToAnyone(actor))
      throw new Problem(
        'forbidden',
        'Only administrators and operators can create or change a channel that does not send mail.',
      );
    const { notificationRecipientDomains: domains } = this.config;
    const stranger = recipients?.find(
      (one) => !known.includes(one) && !domains.includes(one.slice(one.lastIndexOf('@') + 1)),
    );
    if (domains.length > 0 && stranger !== undefined)
      throw invalid('plugin.options.recipients', `${stranger} is not in an allowed domain: ${domains.join(', ')}.`);
  }
}
