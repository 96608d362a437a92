import { Injectable } from '@nestjs/common';
import { Destinations, type ReadyDestination } from '../../destinations/destinations.js';
import type { Tx } from '../../platform/db/database.js';
import { invalid } from '../../platform/http/problem.js';
import type { Certificate } from '../certificate.entity.js';

type Placed = Pick<Certificate, 'name' | 'commonName' | 'serialHex'>;

/** Tells the location that a certificate has or would have at a destination. */
@Injectable()
export class Places {
  constructor(private readonly destinations: Destinations) {}

  /** The location in a readable form; null when the plugin cannot tell. */
  locate(target: ReadyDestination, { name, commonName, serialHex }: Placed): string | null {
    try {
      return this.destinations.locate(target, { name, commonName, serialHex: serialHex ?? '', chainPem: [] });
    } catch {
      return null;
    }
  }

  /** The label of a destination, and the location that the certificate would have there. */
  async at(
    tx: Tx,
    certificate: Placed,
    destinationId: number,
  ): Promise<{ destinationId: number; label: string; location: string | null }> {
    const target = await this.destinations.get(tx, destinationId);
    return { destinationId, label: target.destination.label, location: this.locate(target, certificate) };
  }

  /** Throws Problem `invalid-request` when two of these destinations are the same location. */
  async demandApart(tx: Tx, certificate: Placed, destinationIds: readonly number[]): Promise<void> {
    const taken = new Set<string>();
    for (const target of await this.destinations.getMany(tx, destinationIds)) {
      const { plugin, destination } = target;
      const { accountNumber } = destination.options;
      const place = this.locate(target, certificate);
      const key = JSON.stringify([
        plugin.id,
        typeof accountNumber === 'string' ? [accountNumber, place] : [destination.options, place],
      ]);
      if (taken.has(key)) {
        throw invalid(
          'destinations',
          `Duplicate destinations for plugin ${plugin.id} and account ` +
            `${typeof accountNumber === 'string' ? accountNumber : place} are not allowed`,
        );
      }
      taken.add(key);
    }
  }
}
