import { Injectable } from '@nestjs/common';
import type { PluginOf } from '../plugin-api/any-plugin.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import type { PluginView } from '../platform/plugins/plugin.schema.js';
import type { Destination } from './destination.entity.js';
import type { DestinationRequest } from './destination.schema.js';
import { ExportSteps } from './export-step.js';
import { Hooks } from './hooks.js';

type Columns = Omit<Destination, 'id' | 'createdAt'>;

/** The plugins of a destination, as a response shows them. */
export interface DestinationPlugins {
  plugin: PluginView;
  export: PluginView | null;
  hook: PluginView | null;
}

/** Turns a request for a destination into the columns of its row, and a row into the plugins that a response shows. */
@Injectable()
export class DestinationForm {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly exports: ExportSteps,
    private readonly hooks: Hooks,
  ) {}

  /** The plugin that the request chooses. Throws Problem `invalid-request`. */
  chosen({ plugin }: DestinationRequest): PluginOf<'destination'> {
    return this.configured.chosen('destination', plugin);
  }

  /** What the request leaves out stays as in `before`. Throws Problem `invalid-request`. */
  columns(request: DestinationRequest, before?: Destination): Columns {
    const { label, description, open, verifyAt, verifyName, repush } = request;
    const plugin = this.chosen(request);
    const stored = this.configured.seal(plugin, request.plugin, 'destination', before);
    return {
      label,
      description: description ?? null,
      ...stored,
      ...this.exports.seal(plugin, request.export, stored.secretId, before),
      ...this.hooks.seal(request.hook, stored.secretId, before),
      verifyAt: verifyAt ?? before?.verifyAt ?? [],
      verifyName: verifyName === undefined ? (before?.verifyName ?? null) : verifyName,
      repush: repush ?? before?.repush ?? false,
      open: open ?? before?.open ?? false,
    };
  }

  plugins(row: Destination): DestinationPlugins {
    return {
      plugin: this.configured.view('destination', row),
      export: this.exports.view(row),
      hook: this.hooks.view(row),
    };
  }
}
