import { Injectable } from '@nestjs/common';
import { Destinations } from '../../destinations/destinations.js';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { mayActOn } from '../../roles/permission.js';
import { DeliveryRepository } from './delivery.repository.js';

/** A certificate at a destination. */
export interface Stand {
  certificateId: number;
  destinationId: number;
}

/**
 * Decides whether an actor may see the location of a certificate at a destination, which reveals options of the
 * destination. Users who may see these options are allowed, and users who may change the certificate.
 */
@Injectable()
export class DeliverySight {
  constructor(
    private readonly db: Database,
    private readonly destinations: Destinations,
    private readonly deliveries: DeliveryRepository,
  ) {}

  /** Reads the rights of the actor on `stands`, and returns a function that decides about each of them. */
  async of(actor: Actor, stands: readonly Stand[]): Promise<(stand: Stand) => boolean> {
    const tx = this.db.single;
    const open = await this.destinations.seenBy(
      tx,
      actor,
      stands.map(({ destinationId }) => destinationId),
    );
    const closed = stands.filter(({ destinationId }) => !open.has(destinationId));
    const theirs = new Set(
      (await this.deliveries.peopleOf(tx, [...new Set(closed.map(({ certificateId }) => certificateId))]))
        .filter((certificate) => mayActOn(actor, certificate))
        .map(({ id }) => id),
    );
    return ({ certificateId, destinationId }) => open.has(destinationId) || theirs.has(certificateId);
  }
}
