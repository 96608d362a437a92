import type { NoticeEvent } from './events.js';
import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

/** What a message says, before it is laid out. Each text is one line; markup in it means nothing. */
export interface MessageContent {
  heading: string;
  paragraphs: readonly string[];
  cards: readonly MessageCard[];
}

/** One certificate or authority: its name, its URL, and facts as label and value. */
export interface MessageCard {
  title: string;
  url: string;
  facts: readonly (readonly [label: string, value: string])[];
}

/** `info`: nothing to do. `critical`: something fails already, or is about to. */
export type Severity = 'info' | 'warning' | 'error' | 'critical';

/** A problem that a message reports, or that is over with it, for services that keep alerts open. */
export interface Incident {
  action: 'open' | 'close';
  /** Identifies the problem in every message about it, and in no message of another installation. Any length. */
  key: string;
  /** One line. */
  summary: string;
  severity: Severity;
  /** Of the certificate or authority. */
  url: string;
}

export interface NotificationMessage {
  /**
   * `notification.test` for a test message, `notification.digest` for notices about several events, `delivery.arrived`
   * for the hook of a destination, which a certificate has reached.
   */
  event: NoticeEvent | 'notification.test' | 'notification.digest' | 'delivery.arrived';
  subject: string;
  text: string;
  html?: string;
  /** The same as `text`, for plugins that lay it out on their own. */
  content: MessageContent;
  /** The worst of the incidents that it opens; `info` when it opens none. */
  severity: Severity;
  /** Empty for an event that is no problem and ends none. */
  incidents: readonly Incident[];
  /** The facts behind the text, for machines; no secrets. */
  data: Readonly<Record<string, unknown>>;
  /** E-mail addresses of people who are told whatever the options say (the owner). */
  recipients: readonly string[];
  /** E-mail addresses, in lower case, that have the message already or get it from another channel: not mailed. */
  told?: readonly string[];
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

/** The first of these events of which the plugin cannot tell; undefined when it can tell of all, and for no plugin. */
export function unheardOf(
  plugin: Pick<NotificationPlugin<OptionSchema>, 'hears'> | null,
  events: readonly NoticeEvent[],
): NoticeEvent | undefined {
  const hears = plugin?.hears ?? 'all';
  return hears === 'all' ? undefined : events.find((event) => !hears.includes(event));
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineNotification<S extends OptionSchema>(
  plugin: Omit<NotificationPlugin<S>, 'kind'>,
): NotificationPlugin<S> {
  return { ...plugin, kind: 'notification' };
}
