import type { DestinationPlugin } from './destination.js';
import type { DnsPlugin } from './dns.js';
import type { ExportPlugin } from './export.js';
import type { IssuerPlugin } from './issuer.js';
import type { NotificationPlugin } from './notification.js';
import type { OptionSchema } from './options.js';
import type { PluginKind } from './plugin.js';
import type { SourcePlugin } from './source.js';

/** A plugin of any kind; `kind` tells which. */
export type AnyPlugin =
  | IssuerPlugin<OptionSchema>
  | ExportPlugin<OptionSchema>
  | DestinationPlugin<OptionSchema>
  | SourcePlugin<OptionSchema>
  | NotificationPlugin<OptionSchema>
  | DnsPlugin<OptionSchema>;

/** The plugin type of a kind. */
export type PluginOf<K extends PluginKind> = Extract<AnyPlugin, { kind: K }>;
