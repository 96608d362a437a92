import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Tx } from '../platform/db/database.js';
import { EndpointRepository, staleBefore } from '../sources/endpoint.repository.js';
import { DeliveryRepository } from './deploy/delivery.repository.js';

/** Tells where certificates are still in use: at endpoints that serve them, and at destinations. */
@Injectable()
export class CertificateUse {
  constructor(
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly deliveries: DeliveryRepository,
    private readonly endpoints: EndpointRepository,
  ) {}

  /** A sentence with the first active endpoints that serve any of these certificates; null when there are none. */
  async servedAt(tx: Tx, ids: readonly number[]): Promise<string | null> {
    const now = this.clock.now();
    const { names, count } = await this.endpoints.activeServing(tx, ids, staleBefore(this.config, now), now);
    if (count === 0) return null;
    return count > names.length ? `${names.join(', ')} and ${count - names.length} more endpoints` : names.join(', ');
  }

  /** The number of destinations that have the certificate or will get it. Locks its deliveries until `tx` ends. */
  async deliveredTo(tx: Tx, id: number): Promise<number> {
    return (await this.deliveries.lockOf(tx, id)).filter(
      (d) => d.open || d.state === 'delivered' || d.state === 'leaving',
    ).length;
  }
}
