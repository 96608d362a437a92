import { Injectable } from '@nestjs/common';
import { DestinationRepository } from '../../destinations/destination.repository.js';
import { Destinations } from '../../destinations/destinations.js';
import { Config } from '../../platform/config.js';
import type { Tx } from '../../platform/db/database.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Source } from '../../sources/source.entity.js';
import type { SyncTrouble } from '../../sources/source-sync.entity.js';
import { DeliveryRepository } from '../deploy/delivery.repository.js';
import { checkIntervalMs } from '../deploy/verification.js';
import type { SourceLink } from './source-link.repository.js';

/**
 * Records the certificates that a source has found as delivered to the destination that is the same place. A source and
 * a destination are the same place when they have the same label and the source is the destination's counterpart.
 */
@Injectable()
export class FoundDeliveries {
  constructor(
    private readonly repository: DestinationRepository,
    private readonly destinations: Destinations,
    private readonly deliveries: DeliveryRepository,
    private readonly config: Config,
  ) {}

  /**
   * Makes found certificates delivered, so that their successors are delivered too. Only certificates with a stored
   * private key, since others cannot be delivered. Existing deliveries do not change.
   */
  async note(tx: Tx, source: Source, links: readonly SourceLink[], now: Date): Promise<void> {
    const destinationId = links.length === 0 ? null : await this.counterpartOf(tx, source);
    if (destinationId === null) return;
    await this.deliveries.noteStanding(tx, destinationId, links, { now, everyMs: checkIntervalMs(this.config) });
  }

  /**
   * A trouble for each certificate that was delivered there and is gone. The deliveries do not change, so that a
   * successor is delivered again.
   */
  async missing(tx: Tx, source: Source, goneIds: readonly number[]): Promise<SyncTrouble[]> {
    const destinationId = goneIds.length === 0 ? null : await this.counterpartOf(tx, source);
    if (destinationId === null) return [];
    const names = await this.deliveries.namesAt(tx, destinationId, goneIds);
    return names.map(({ name, location }) => ({
      location,
      detail: `Certificate ${name} was delivered there and is gone.`,
    }));
  }

  /** The id of the destination that is the same place as the source; null when there is none. */
  private async counterpartOf(tx: Tx, source: Source): Promise<number | null> {
    const destination = await this.repository.findByLabel(tx, source.label);
    if (!destination) return null;
    try {
      const { plugin, options } = this.destinations.ready(destination);
      return plugin.source?.(options())?.pluginId === source.pluginId ? destination.id : null;
    } catch (error) {
      // A destination that cannot be used does not stop the scan of a source.
      if (error instanceof PluginError) return null;
      throw error;
    }
  }
}
