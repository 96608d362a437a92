import type { Bundle } from './export.js';
import type { Options, OptionSchema } from './options.js';
import type { Plugin, PluginContext } from './plugin.js';

export interface DeliveryRequest {
  bundle: Bundle;
}

/** The certificate that `deliver` put, or may have put, at `location`. The bundle has no key. */
export interface RemovalRequest {
  /** What `deliver` answered, or `locate` where no answer is known. */
  location: string;
  bundle: Bundle;
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
   * Where this bundle will go, as a person would write it. Two living certificates may not share one location. Pure.
   * The bundle may lack chain and key.
   */
  locate(request: DeliveryRequest, options: Options<S>): string;
  /**
   * Puts the bundle there, in place of what an earlier delivery put at the same location. Idempotent: the same bundle
   * again changes nothing. Called again after `unavailable`, and after a crash before its answer was stored.
   */
  deliver(request: DeliveryRequest, options: Options<S>, ctx: PluginContext): Promise<{ location: string }>;
  /**
   * Removes exactly this certificate, its key and every copy that the plugin keeps of them. Idempotent: nothing there,
   * or another certificate, is done.
   */
  remove?(request: RemovalRequest, options: Options<S>, ctx: PluginContext): Promise<void>;
  /** The source that finds again what is delivered here, and other things beside it. Pure. */
  source?(options: Options<S>): CounterpartSource;
}

/** An identity function: it exists so that the options' type is inferred in the plugin's methods. */
export function defineDestination<S extends OptionSchema>(
  plugin: Omit<DestinationPlugin<S>, 'kind'>,
): DestinationPlugin<S> {
  return { ...plugin, kind: 'destination' };
}
