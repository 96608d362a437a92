import { Injectable } from '@nestjs/common';
import type { NotificationMessage } from '../plugin-api/notification.js';
import { invalid } from '../platform/http/problem.js';
import { ConfiguredPlugins, type StoredPlugin } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import type { PluginInput, PluginView } from '../platform/plugins/plugin.schema.js';
import { type Destination, hookTable } from './destination.entity.js';

/** The columns of a destination that say what is told after each delivery. */
export type HookColumns = Pick<Destination, 'hookPluginId' | 'hookOptions' | 'sealedHookOptions'>;

/** A delivery that has arrived. */
export interface Arrival {
  deliveryId: number;
  location: string;
  deliveredAt: Date;
  certificate: { id: number; name: string; commonName: string; serialNumber: string };
}

/** No hook. */
export const noHook: HookColumns = { hookPluginId: null, hookOptions: {}, sealedHookOptions: null };

/** The hooks of destinations: a notification plugin with options of its own, which is told after each delivery. */
@Injectable()
export class Hooks {
  constructor(
    private readonly configured: ConfiguredPlugins,
    private readonly contexts: PluginContexts,
  ) {}

  /** The columns for `hook` of a request: without it those of `before`; null: no hook. Throws `invalid-request`. */
  seal(asked: PluginInput | null | undefined, secretId: string, before?: Destination): HookColumns {
    if (asked === undefined && before) return columnsOf(hookOf(before));
    if (!asked) return noHook;
    const plugin = this.configured.chosen('notification', asked, 'hook');
    if (plugin.hears !== 'all') throw invalid('hook', `${plugin.title} does not tell of deliveries.`);
    const old = before ? hookOf(before) : { pluginId: '', options: {}, sealedOptions: null, secretId };
    return columnsOf(this.configured.seal(plugin, asked, hookTable, old, 'hook'));
  }

  /** Throws Problem `invalid-request` when this installation does not permit the options of the hook. */
  async admit(destination: Destination): Promise<void> {
    const opened = this.open(destination);
    if (opened) await this.contexts.admit(opened.plugin, opened.options);
  }

  /** Null when the destination has none. */
  view({ hookPluginId, hookOptions }: HookColumns): PluginView | null {
    if (hookPluginId === null) return null;
    return this.configured.view('notification', { pluginId: hookPluginId, options: hookOptions });
  }

  /** Tells the hook that a certificate has arrived; the same `dedupeKey` at each attempt. Throws PluginError. */
  async run(destination: Destination, arrival: Arrival, signal: AbortSignal): Promise<void> {
    const opened = this.open(destination);
    await opened?.plugin.send(messageOf(destination, arrival), opened.options, this.contexts.make(signal));
  }

  private open(destination: Destination) {
    if (destination.hookPluginId === null) return null;
    const plugin = this.configured.plugin('notification', destination.hookPluginId);
    return { plugin, options: this.configured.open(plugin, hookOf(destination), hookTable) };
  }
}

function messageOf(
  { id, label }: Destination,
  { deliveryId, location, deliveredAt, certificate }: Arrival,
): NotificationMessage {
  const subject = `${certificate.name} was delivered to ${label}`;
  return {
    event: 'delivery.arrived',
    subject,
    text: `${subject}.`,
    content: { heading: subject, paragraphs: [`It is at ${location}.`], cards: [] },
    severity: 'info',
    incidents: [],
    data: { deliveryId, certificate, destination: { id, label }, location },
    recipients: [],
    dedupeKey: `delivery.arrived:${deliveryId}:${deliveredAt.getTime()}`,
  };
}

function hookOf({ hookPluginId, hookOptions, sealedHookOptions, secretId }: Destination): StoredPlugin {
  return { pluginId: hookPluginId ?? '', options: hookOptions, sealedOptions: sealedHookOptions, secretId };
}

function columnsOf({ pluginId, options, sealedOptions }: StoredPlugin): HookColumns {
  return pluginId === '' ? noHook : { hookPluginId: pluginId, hookOptions: options, sealedHookOptions: sealedOptions };
}
