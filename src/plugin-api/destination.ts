import type { Bundle, ExportedFile } from './export.js';
import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

/** A bundle and its place. The bundle may lack chain and key. */
export interface PlaceRequest {
  bundle: Bundle;
  /** The names that the export step gives the files, the main file first. Empty for a plugin that takes no files. */
  fileNames: readonly string[];
}

/** What is to be delivered. */
export interface DeliveryRequest {
  /** With the key for a plugin that declares `needsPrivateKey` and takes no files. */
  bundle: Bundle;
  /** What the export step made of the bundle and its key, main file first. Empty for a plugin that takes no files. */
  files: readonly ExportedFile[];
  round: Round;
}

/**
 * Identifies what was decided once: to deliver this certificate here, or to remove it. The same at each attempt, also
 * after a crash before an answer was stored; another one when the same is decided again, for example when a roll-back
 * delivers a predecessor again, or a person does. A plugin whose service drops repetitions tells them by it, and never
 * by the content alone.
 */
export type Round = string;

/** A file as it was last delivered. Name and mode are those of the export step. */
export interface DeliveredFile {
  name: string;
  sha256Hex: string;
  /** The Unix file mode; absent where nobody recorded it. */
  mode?: number;
}

/** The certificate that `deliver` put, or may have put, at `location`. The bundle has no key. */
export interface PlacedRequest {
  /** What `deliver` answered, or `locate` where no answer is known. */
  location: string;
  bundle: Bundle;
  /** Empty for a plugin that takes no files, and where nobody recorded them. */
  files: readonly DeliveredFile[];
  /** That of the delivery for `verify`, and that of the removal for `remove`. */
  round: Round;
}

/**
 * What is at a location. `arriving`: the place has taken what was delivered, and is about to use it. `different`:
 * something else than what was delivered. `detail` tells a person what.
 */
export type Verdict = { state: 'same' } | { state: 'missing' } | { state: 'arriving' | 'different'; detail: string };

/** An export plugin with values for its options. */
export interface ExportStep {
  pluginId: string;
  options: Readonly<Record<string, unknown>>;
}

/**
 * A source plugin with its options. Two sources look at the same place when their options of the names in `place` are
 * equal.
 */
export interface CounterpartSource {
  pluginId: string;
  options: Readonly<Record<string, unknown>>;
  place: readonly string[];
}

/**
 * A place to which certificates are delivered. Its faults: `misconfigured` when the options or the other system must be
 * changed, `refused` when this bundle will never fit, `unavailable` when trying again can help.
 */
export interface DestinationPlugin<S extends OptionSchema> extends Plugin<'destination', S> {
  readonly needsPrivateKey: boolean;
  /**
   * Present when the plugin delivers files: the export step of a destination that names none. A destination chooses an
   * export plugin and its options, which make the files of every delivery; the plugin writes them, and makes none.
   */
  readonly files?: ExportStep;
  /**
   * True when what a successor replaces stays beside it, and nothing but this destination uses it. Then `remove` is
   * called for the predecessor, once the successor is in use wherever it was delivered. Pure.
   */
  keepsReplaced?(options: Options<S>): boolean;
  /** Where this bundle will go, as a person would write it. Two living certificates never share one location. Pure. */
  locate(request: PlaceRequest, options: Options<S>): string;
  /**
   * Puts the bundle there, in place of what an earlier delivery put at the same location, and makes the place use it
   * (a reload, a commit): a failed reload is a failed delivery. Idempotent: the same bundle again changes nothing, and
   * reloads nothing unless an earlier reload failed or its outcome is unknown. Files of some formats have other bytes
   * at each export; they are written again. Called again after `unavailable`, and after a crash before its answer was
   * stored, with the same `round`. Delivering the predecessor again, in a new round, is how a replacement is rolled
   * back.
   */
  deliver(request: DeliveryRequest, options: Options<S>, ctx: PluginContext): Promise<{ location: string }>;
  /**
   * Reads back what is at the location now, from the place itself and from no memory of it. Changes nothing. Where
   * `files` are known, it compares their digests, else the certificate. Throws PluginError when the place does not
   * tell; that is no verdict.
   */
  verify?(request: PlacedRequest, options: Options<S>, ctx: PluginContext): Promise<Verdict>;
  /**
   * Removes exactly this certificate, its key and every copy that the plugin keeps of them. Idempotent: nothing there,
   * or another certificate, is done.
   */
  remove?(request: PlacedRequest, options: Options<S>, ctx: PluginContext): Promise<void>;
  /**
   * The source that finds again what is delivered here, and other things beside it; null when what it finds is not
   * for that reason delivered here. Pure.
   */
  source?(options: Options<S>): CounterpartSource | null;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineDestination<S extends OptionSchema>(
  plugin: Omit<DestinationPlugin<S>, 'kind'>,
): DestinationPlugin<S> {
  return { ...plugin, kind: 'destination' };
}
