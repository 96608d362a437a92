import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { EndpointRepository, type SeenEndpoint } from '../../sources/endpoint.repository.js';
import type { FoundTrouble } from '../../plugin-api/source.js';
import type { OpenSync, SyncTrouble } from '../../sources/source-sync.entity.js';
import { FoundDeliveries } from './found-deliveries.js';
import { type SourceLink, SourceLinkRepository } from './source-link.repository.js';

/** The certificates and endpoints that one part of a scan has seen. */
export interface Seen {
  links: readonly SourceLink[];
  endpoints: readonly SeenEndpoint[];
  /** Parts of the source that could not be read: nothing there counts as gone, unless it does not answer. */
  unread: readonly FoundTrouble[];
  /** Certificates that were read and could not be stored. */
  unstored: readonly SyncTrouble[];
}

/** Stores which certificates and endpoints the scans of a source have seen, and which are stale. */
@Injectable()
export class SourceInventory {
  constructor(
    private readonly links: SourceLinkRepository,
    private readonly endpoints: EndpointRepository,
    private readonly deliveries: FoundDeliveries,
  ) {}

  /** Stores a part of a scan. Certificates and endpoints at the location of a trouble are kept as they are. */
  async see(tx: Tx, { id, source }: OpenSync, seen: Seen, now: Date): Promise<void> {
    const { links, endpoints, unread, unstored } = seen;
    const key = { sourceId: source.id, syncId: id };
    await this.links.see(tx, key, links, now);
    await this.links.keep(tx, key, [...unread.filter(({ unanswered = false }) => !unanswered), ...unstored]);
    await this.endpoints.see(tx, key, endpoints, now);
    for (const trouble of unread) await this.endpoints.miss(tx, key, trouble);
    await this.deliveries.note(tx, source, links, now);
  }

  /**
   * After a complete scan: counts a miss for each endpoint and link that it has not seen; two in a row make them stale.
   * Returns the ids of the certificates that the source no longer has, and a trouble for each that was delivered there.
   */
  async noteMissed(
    tx: Tx,
    { id, source }: OpenSync,
    now: Date,
  ): Promise<{ goneIds: number[]; troubles: SyncTrouble[] }> {
    const key = { sourceId: source.id, syncId: id };
    await this.endpoints.noteMissed(tx, key, now);
    const goneIds = await this.links.noteMissed(tx, key, now);
    return { goneIds, troubles: await this.deliveries.missing(tx, source, goneIds) };
  }
}
