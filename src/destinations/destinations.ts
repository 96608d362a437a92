import { Injectable } from '@nestjs/common';
import type { DestinationPlugin, DeliveryRequest, PlacedRequest, Verdict } from '../plugin-api/destination.js';
import { PluginError } from '../plugin-api/errors.js';
import type { Bundle } from '../plugin-api/export.js';
import type { OptionSchema } from '../plugin-api/options.js';
import type { Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { ConfiguredPlugins } from '../platform/plugins/configured-plugin.js';
import { PluginContexts } from '../platform/plugins/plugin-context.js';
import { mayDeliverTo, maySeeOptionsOf } from '../roles/permission.js';
import type { Destination } from './destination.entity.js';
import { DestinationRepository } from './destination.repository.js';
import { ExportSteps } from './export-step.js';
import { type Arrival, Hooks } from './hooks.js';

/** A destination ready for use. */
export interface ReadyDestination {
  readonly destination: Destination;
  readonly plugin: DestinationPlugin<OptionSchema>;
  /** Whether a delivery needs the private key: for itself, or for the files that its export step makes. */
  readonly needsPrivateKey: boolean;
  /** Throws PluginError `misconfigured` when the stored options no longer fit the plugin. */
  readonly options: () => Record<string, unknown>;
}

/** Runs in the transaction that creates a destination; throwing undoes the destination. */
export type CreatedListener = (tx: Tx, actor: Actor, created: ReadyDestination) => Promise<void>;

/** Runs in the transaction that changes a destination. */
export type ChangedListener = (tx: Tx, destinationId: number) => Promise<void>;

/** Delivers to configured destinations; independent of certificate rows. */
@Injectable()
export class Destinations {
  private readonly createdListeners: CreatedListener[] = [];
  private readonly changedListeners: ChangedListener[] = [];

  constructor(
    private readonly repository: DestinationRepository,
    private readonly configured: ConfiguredPlugins,
    private readonly exports: ExportSteps,
    private readonly contexts: PluginContexts,
    private readonly hooks: Hooks,
  ) {}

  async get(tx: Tx, id: number): Promise<ReadyDestination> {
    return this.ready(await this.repository.get(tx, id));
  }

  /** The existing destinations among these ids, ordered by id. */
  async getMany(tx: Tx, ids: readonly number[]): Promise<ReadyDestination[]> {
    if (ids.length === 0) return [];
    return (await this.repository.getMany(tx, ids)).map((destination) => this.ready(destination));
  }

  /** Demands that the actor may deliver to these destinations. Throws Problem `forbidden`. */
  async demandDelivery(tx: Tx, actor: Actor, ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    const refused = (await this.repository.accessOf(tx, ids)).find(
      ({ open, roles }) => !mayDeliverTo(actor, { open, roleIds: roles.map((role) => role.id) }),
    );
    if (refused)
      throw new Problem(
        'forbidden',
        `You are not allowed to deliver to destination ${refused.label}: it requires one of its roles.`,
      );
  }

  /** The ids among these whose options the actor may see. */
  async seenBy(tx: Tx, actor: Actor, ids: readonly number[]): Promise<Set<number>> {
    if (ids.length === 0) return new Set();
    const seen = (await this.repository.accessOf(tx, ids)).filter(({ open, roles }) =>
      maySeeOptionsOf(actor, { open, roleIds: roles.map((role) => role.id) }),
    );
    return new Set(seen.map(({ id }) => id));
  }

  ready(destination: Destination): ReadyDestination {
    const plugin = this.configured.plugin('destination', destination.pluginId);
    const needsPrivateKey = this.exports.needsPrivateKey(destination) ?? plugin.needsPrivateKey;
    return {
      destination,
      plugin,
      needsPrivateKey,
      options: () => this.configured.open(plugin, destination, 'destination'),
    };
  }

  /** Registers a listener for new destinations. Call at startup. */
  onCreated(listener: CreatedListener): void {
    this.createdListeners.push(listener);
  }

  /** Runs the listeners in `tx`. */
  async created(tx: Tx, actor: Actor, created: ReadyDestination): Promise<void> {
    for (const listener of this.createdListeners) await listener(tx, actor, created);
  }

  /** Registers a listener for changed destinations. Call at startup. */
  onChanged(listener: ChangedListener): void {
    this.changedListeners.push(listener);
  }

  /** Runs the listeners in `tx`. */
  async changed(tx: Tx, destinationId: number): Promise<void> {
    for (const listener of this.changedListeners) await listener(tx, destinationId);
  }

  /** Throws Problem `invalid-request` when this installation does not permit the options. */
  async admit({ destination, plugin, options }: ReadyDestination): Promise<void> {
    await this.contexts.admit(plugin, options());
    await this.hooks.admit(destination);
  }

  /** The location that the bundle will have. Throws PluginError. */
  locate({ destination, plugin, options }: ReadyDestination, bundle: Bundle): string {
    const fileNames = this.exports.fileNames(destination, bundle.commonName);
    return plugin.locate({ bundle, fileNames }, options());
  }

  /** What is to be delivered of a bundle in a round, after the export step. Throws PluginError. */
  async prepare(
    { destination, plugin }: ReadyDestination,
    { bundle, round }: Pick<DeliveryRequest, 'bundle' | 'round'>,
    signal: AbortSignal,
  ): Promise<DeliveryRequest> {
    const files = await this.exports.files(destination, bundle, this.contexts.make(signal));
    return { bundle: plugin.files ? { ...bundle, privateKeyPem: undefined } : bundle, files, round };
  }

  /** Returns the location. Throws PluginError. */
  async deliver({ plugin, options }: ReadyDestination, request: DeliveryRequest, signal: AbortSignal): Promise<string> {
    const { location } = await plugin.deliver(request, options(), this.contexts.make(signal));
    return location;
  }

  /** Tells the hook of the destination, if it has one, that a certificate has arrived. Throws PluginError. */
  async runHook({ destination }: ReadyDestination, arrival: Arrival, signal: AbortSignal): Promise<void> {
    await this.hooks.run(destination, arrival, signal);
  }

  /** What is at the place now; null when the plugin cannot tell. Throws PluginError. */
  async verify(
    { plugin, options }: ReadyDestination,
    placed: PlacedRequest,
    signal: AbortSignal,
  ): Promise<Verdict | null> {
    return (await plugin.verify?.(placed, options(), this.contexts.make(signal))) ?? null;
  }

  /**
   * Removes exactly this certificate. Returns false without effect when the plugin cannot remove. Throws PluginError.
   */
  async remove({ plugin, options }: ReadyDestination, placed: PlacedRequest, signal: AbortSignal): Promise<boolean> {
    if (!plugin.remove) return false;
    await plugin.remove(placed, options(), this.contexts.make(signal));
    return true;
  }

  /** Whether a predecessor is to be removed once its successor is in use. False when the options cannot be read. */
  keepsReplaced({ plugin, options }: ReadyDestination): boolean {
    if (!plugin.keepsReplaced) return false;
    try {
      return plugin.keepsReplaced(options());
    } catch (error) {
      if (error instanceof PluginError) return false;
      throw error;
    }
  }

  /** Read-only connection test. Throws PluginError. */
  async check({ plugin, options }: ReadyDestination, signal: AbortSignal): Promise<void> {
    const checked = options();
    await plugin.check?.(checked, this.contexts.make(signal));
  }
}
