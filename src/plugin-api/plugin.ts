import type { Options, OptionSchema } from './options.js';
import type { Site } from './site.js';

export type PluginKind = 'issuer' | 'export' | 'destination' | 'source' | 'notification' | 'dns';

/** What every call gets beside its options. Plugins are stateless: nothing of one call may reach the next. */
export interface PluginContext {
  /** Aborted at shutdown and on timeout. A plugin then stops soon, and throws whatever stopped it. */
  readonly signal: AbortSignal;
  now(): Date;
  log(message: string, fields?: object): void;
  readonly site: Site;
}

/**
 * What plugins of every kind have. Each verb takes one request object (none where there is nothing to say), then the
 * options, then the context; a request may gain members, so a plugin ignores the members that it does not know. Verbs
 * fail with PluginError alone; anything else that they throw counts as a bug, and its text is not shown.
 */
export interface Plugin<K extends PluginKind, S extends OptionSchema> {
  readonly kind: K;
  /** kebab-case, unique over all kinds, stored with rows: never renamed. */
  readonly id: string;
  /** Lemur slugs that answer for this plugin. */
  readonly aliases?: readonly string[];
  readonly title: string;
  readonly description: string;
  readonly options: S;
  /**
   * Whether this installation lets the plugin work with these options; asked when they are written. Changes nothing and
   * asks nobody outside. Throws PluginError `misconfigured`.
   */
  admit?(options: Options<S>, ctx: PluginContext): Promise<void>;
  /** Read-only probe behind "Test connection". Throws PluginError. */
  check?(options: Options<S>, ctx: PluginContext): Promise<void>;
}
