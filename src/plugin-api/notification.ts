import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

export interface NotificationMessage {
  /** e.g. `certificate.expiring`, `certificate.rotated`. */
  event: string;
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
