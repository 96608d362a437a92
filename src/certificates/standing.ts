import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import { EndpointRepository, staleBefore } from '../sources/endpoint.repository.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';

/** Where certificates are in use still. */
@Injectable()
export class Standing {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly deliveries: DeliveryRepository,
    private readonly endpoints: EndpointRepository,
  ) {}

  /**
   * The first names of endpoints that were seen lately to serve any of these certificates, for people; null when there
   * are none.
   */
  async servedAt(tx: Tx, ids: readonly number[]): Promise<string | null> {
    const now = this.clock.now();
    const { names, count } = await this.endpoints.activeServing(tx, ids, staleBefore(this.config, now), now);
    if (count === 0) return null;
    return count > names.length ? `${names.join(', ')} and ${count - names.length} more endpoints` : names.join(', ');
  }

  /** At how many destinations it stands or is bound for. They stay as they are until the transaction ends. */
  async deliveredTo(tx: Tx, id: number): Promise<number> {
    return (await this.deliveries.lockOf(tx, id)).filter(
      (d) => d.open || d.state === 'delivered' || d.state === 'leaving',
    ).length;
  }
}
