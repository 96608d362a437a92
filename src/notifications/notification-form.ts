import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config.js';
import { invalid } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { lemurOptions } from '../platform/plugins/lead-options.js';
import { isDefaultLabel } from './default-notifications.js';
import { leadSeconds } from './lead.js';
import type { Notification, NotificationColumns } from './notification.repository.js';
import {
  type NotificationQuery,
  type NotificationRequest,
  type NotificationView,
  notificationView,
} from './notification.schema.js';

/** The way from a request to the columns of a row and from there to an answer, and what people may ask for on it. */
@Injectable()
export class NotificationForm {
  constructor(
    private readonly config: Config,
    private readonly configured: ConfiguredPlugins,
  ) {}

  /**
   * What a request makes of a new notification, or of the one that was there `before`. Throws Problem `invalid-request`
   * on a label that is the program's, on recipients outside the allowed domains, and where one of the program's own
   * would become another warning.
   */
  columns(request: NotificationRequest, before?: Notification): NotificationColumns {
    const { label, description, active } = request;
    if (isDefaultLabel(label) && label.toLowerCase() !== before?.label.toLowerCase()) {
      throw invalid(
        'label',
        'Labels that begin with DEFAULT_ are those of the notifications that the program makes by itself.',
      );
    }
    const plugin = this.configured.chosen('notification', request.plugin);
    const form = { ...plugin, options: lemurOptions(plugin) };
    const stored = this.configured.seal(form, request.plugin, 'channel', before);
    this.demandAllowed(recipientsOf(stored), before ? recipientsOf(before) : []);
    const columns = { label, description: description ?? null, active, ...stored };
    if (before?.builtIn) demandSameWarning(before, columns);
    return columns;
  }

  /** A filter by plugin as rows name it. */
  asStored(query: NotificationQuery): NotificationQuery {
    return this.configured.asStored('notification', query);
  }

  view(row: Notification): NotificationView {
    return notificationView(row, this.configured.view('notification', row));
  }

  /** Who is told already may stay, wherever that is. */
  private demandAllowed(recipients: readonly string[], known: readonly string[]): void {
    const { notificationRecipientDomains: domains } = this.config;
    const stranger = recipients.find(
      (one) => !known.includes(one) && !domains.includes(one.slice(one.lastIndexOf('@') + 1)),
    );
    if (domains.length > 0 && stranger !== undefined)
      throw invalid('plugin.options.recipients', `${stranger} is in none of the domains ${domains.join(', ')}.`);
  }
}

/** Certificates rely on the program's own notifications for what their labels say. */
function demandSameWarning(before: Notification, after: NotificationColumns): void {
  const refuse = (field: string, what: string): never => {
    throw invalid(
      field,
      `${before.label} is one of the program's own: ${what} stays. It can be switched ` +
        'off and its recipients changed; for anything else make another.',
    );
  };
  if (after.label !== before.label) refuse('label', 'its label');
  if (after.pluginId !== before.pluginId) refuse('plugin', 'its plugin');
  if (leadSeconds(after.options) !== leadSeconds(before.options)) refuse('plugin.options.interval', 'its interval');
}

/** Mail addresses, lower case; none where the plugin sends no mail. */
function recipientsOf({ options: { recipients } }: Pick<Notification, 'options'>): string[] {
  return typeof recipients === 'string'
    ? recipients
        .toLowerCase()
        .split(',')
        .map((one) => one.trim())
        .filter((one) => one !== '')
    : [];
}
