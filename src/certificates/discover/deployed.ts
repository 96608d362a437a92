import { Injectable } from '@nestjs/common';
import { DestinationRepository } from '../../destinations/destination.repository.js';
import { Destinations } from '../../destinations/destinations.js';
import type { Tx } from '../../platform/db/database.js';
import { PluginError } from '../../plugin-api/errors.js';
import type { Source } from '../../sources/source.entity.js';
import type { SyncTrouble } from '../../sources/source-sync.entity.js';
import { DeliveryRepository } from '../deploy/delivery.repository.js';
import type { SourceLink } from './source-link.repository.js';

/**
 * A destination and a source of the same label are two sides of one place: what the source finds stands at the
 * destination.
 */
@Injectable()
export class Deployed {
  constructor(
    private readonly repository: DestinationRepository,
    private readonly destinations: Destinations,
    private readonly deliveries: DeliveryRepository,
  ) {}

  /**
   * Certificates of ours that were found there count as delivered, so that their successors follow them. Only those
   * whose key is kept here: nothing else can be delivered. What is on its way, was replaced or taken away stays as it
   * is.
   */
  async note(tx: Tx, source: Source, links: readonly SourceLink[], now: Date): Promise<void> {
    const destinationId = links.length === 0 ? null : await this.counterpartOf(tx, source);
    if (destinationId !== null) await this.deliveries.noteStanding(tx, destinationId, links, now);
  }

  /**
   * What was delivered there and is gone. It stays delivered as far as we are concerned, so that a successor is
   * delivered again.
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

  private async counterpartOf(tx: Tx, source: Source): Promise<number | null> {
    const destination = await this.repository.findByLabel(tx, source.label);
    if (!destination) return null;
    try {
      const { plugin, options } = this.destinations.ready(destination);
      return plugin.source?.(options()).pluginId === source.pluginId ? destination.id : null;
    } catch (error) {
      // A destination that cannot be used keeps no source from being looked at.
      if (error instanceof PluginError) return null;
      throw error;
    }
  }
}
