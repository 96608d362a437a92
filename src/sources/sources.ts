import { Injectable } from '@nestjs/common';
import type { OptionSchema } from '../plugin-api/options.js';
import type { FoundRef, Report, SourcePlugin } from '../plugin-api/source.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { Source } from './source.entity.js';

/** A source with its plugin. */
export interface ReadySource {
  readonly source: Source;
  readonly plugin: SourcePlugin<OptionSchema>;
  /** Throws PluginError `misconfigured` when the stored options no longer fit the plugin. */
  readonly options: () => Record<string, unknown>;
}

/** Calls the plugins of configured sources. Knows nothing of the rows of certificates. */
@Injectable()
export class Sources {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
  ) {}

  /** Throws PluginError when the plugin is no longer installed. */
  ready(source: Source): ReadySource {
    const plugin = this.configured.plugin('source', source.pluginId);
    return { source, plugin, options: () => this.configured.open(plugin, source, 'source') };
  }

  /** Throws Problem `invalid-request` when the settings of this installation do not permit the plugin's options. */
  async admit({ plugin, options }: ReadySource): Promise<void> {
    await this.contexts.admit(plugin, options());
  }

  /** Everything that the source reports now, or since its position. Throws PluginError. */
  scan({ source, plugin, options }: ReadySource, signal: AbortSignal): AsyncIterable<Report> {
    return plugin.scan(options(), this.contexts.make(signal), source.position);
  }

  /** Removes a certificate at the source, when the plugin can. Throws PluginError. */
  async remove({ plugin, options }: ReadySource, found: FoundRef, signal: AbortSignal): Promise<void> {
    await plugin.remove?.(found, options(), this.contexts.make(signal));
  }

  /** Tests the options without changing anything. Throws PluginError. */
  async check({ plugin, options }: ReadySource, signal: AbortSignal): Promise<void> {
    const checked = options();
    await plugin.check?.(checked, this.contexts.make(signal));
  }
}
