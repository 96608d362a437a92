import type { NoticeEvent } from './events.js';
import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

export interface NotificationMessage {
  /** `notification.test` for a test message. */
  event: NoticeEvent | 'notification.test';
  subject: string;
  text: string;
  html?: string;
  /** The facts behind the text, for machines; no secrets. */
  data: Readonly<Record<string, unknown>>;
  /** E-mail addresses of people who are told whatever the options say (the owner). */
  recipients: readonly string[];
  /** The same on every attempt to send this message. */
  dedupeKey: string;
}

export interface NotificationPlugin<S extends OptionSchema> extends Plugin<'notification', S> {
  /** The events of which it can tell; a subscription to another one is refused. */
  readonly hears: readonly NoticeEvent[] | 'all';
  /**
   * The mail addresses that it tells because of its options. Absent where it does not send mail: then it does not count
   * as a warning, and owners are warned by mail besides.
   */
  recipients?(options: Options<S>): readonly string[];
  /**
   * Sends the message. Called again after `unavailable`, and after a crash before the success was stored: the receiver
   * may get it twice, and recognizes it by `dedupeKey`.
   */
  send(message: NotificationMessage, options: Options<S>, ctx: PluginContext): Promise<void>;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineNotification<S extends OptionSchema>(
  plugin: Omit<NotificationPlugin<S>, 'kind'>,
): NotificationPlugin<S> {
  return { ...plugin, kind: 'notification' };
}
