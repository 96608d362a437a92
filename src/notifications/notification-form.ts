import { Injectable } from '@nestjs/common';
import type { Actor } from '../platform/http/actor.js';
import { invalid } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { lemurOptions } from '../platform/plugins/lead-options.js';
import { isDefaultLabel } from './default-notifications.js';
import { leadSeconds } from './lead-time.js';
import { type Notification, type NotificationColumns, pluginOf } from './notification.repository.js';
import {
  type NotificationQuery,
  type NotificationRequest,
  type NotificationView,
  notificationView,
} from './notification.schema.js';
import { Recipients } from './recipients.js';

/** Turns a request for a notification into columns, and columns into a response. */
@Injectable()
export class NotificationForm {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly recipients: Recipients,
  ) {}

  /**
   * The columns of a new notification, or of a changed one. Throws Problem `invalid-request` on a reserved label, on
   * recipients outside the allowed domains, and on a change of what a default notification warns of.
   */
  columns(actor: Actor, request: NotificationRequest, before?: Notification): NotificationColumns {
    const { label, description, active } = request;
    if (isDefaultLabel(label) && label.toLowerCase() !== before?.label.toLowerCase()) {
      throw invalid(
        'label',
        'Labels that begin with DEFAULT_ are reserved for the notifications that the program makes.',
      );
    }
    const plugin = this.configured.chosen('notification', request.plugin);
    const form = { ...plugin, options: lemurOptions(plugin) };
    const stored = this.configured.seal(form, request.plugin, 'channel', before);
    const recipients = this.recipients.of(pluginOf(stored));
    this.recipients.demandAllowed(actor, recipients, before?.recipients ?? []);
    const columns = { label, description: description ?? null, active, ...stored, recipients };
    if (before?.builtIn) demandSameWarning(before, columns);
    return columns;
  }

  /** Translates a filter by plugin into the stored plugin id. */
  asStored(query: NotificationQuery): NotificationQuery {
    return this.configured.asStored('notification', query);
  }

  view(row: Notification): NotificationView {
    return notificationView(row, this.configured.view('notification', row));
  }
}

/** A default notification keeps what its label says, because certificates rely on it. */
function demandSameWarning(before: Notification, after: NotificationColumns): void {
  const refuse = (field: string, what: string): never => {
    throw invalid(
      field,
      `${before.label} is one of the program's own: ${what} cannot change. It can be switched ` +
        'off and its recipients changed. For anything else create another.',
    );
  };
  if (after.label !== before.label) refuse('label', 'its label');
  if (after.pluginId !== before.pluginId) refuse('plugin', 'its plugin');
  if (leadSeconds(after.options) !== leadSeconds(before.options)) refuse('plugin.options.interval', 'its interval');
}
