import { Injectable } from '@nestjs/common';
import { Conditions } from '../../platform/db/conditions.js';
import type { Tx } from '../../platform/db/database.js';
import { hasLabel, hasName, hasOwner, isNewestValid, isOfAuthority } from '../certificate-scope.js';
import { DestinationFilter } from './destination-filter.entity.js';

/** What selects certificates. */
export type FilterColumns = Pick<
  DestinationFilter,
  'destinationId' | 'owner' | 'authorityId' | 'nameLike' | 'label' | 'imported'
>;

/** A filter that a certificate matches. */
export interface MatchedFilter extends Pick<DestinationFilter, 'destinationId' | 'askerId' | 'apiKeyId'> {
  /** Whether the private key of the certificate is here. */
  hasKey: boolean;
}

/** SQL: whether the filter `f` selects the certificate `c`. */
export const isSelected = `((f.owner is null or ${hasOwner('f.owner')})
  and (f.authority_id is null or ${isOfAuthority('f.authority_id')})
  and (f.label is null or ${hasLabel('f.label')})
  and (f.name_like is null or ${hasName('f.name_like')})
  and (f.imported or c.authority_id is not null))`;

/**
 * SQL: whether the certificate `c` has never been at the destination, and its predecessor was not taken off there. A
 * revoked predecessor is no sign that nothing is wanted there.
 */
const isNew = (destinationId: string): string => `not exists (
  select from delivery d join certificate p on p.id = d.certificate_id
  where d.destination_id = ${destinationId} and (p.id = c.id or (
    p.id = c.renews_id and p.state <> 'revoked' and d.state in ('removing', 'removed', 'left'))))`;

/** Every query on the filters of destinations, and on the certificates that they select. */
@Injectable()
export class DestinationFilterRepository {
  find(tx: Tx, destinationId: number): Promise<DestinationFilter | null> {
    return tx.findOneBy(DestinationFilter, { destinationId });
  }

  /** Replaces the filter of its destination. */
  async save(tx: Tx, filter: DestinationFilter): Promise<void> {
    await tx.save(tx.create(DestinationFilter, filter));
  }

  async remove(tx: Tx, filter: DestinationFilter): Promise<void> {
    await tx.remove(filter);
  }

  /** The filters that a certificate matches, of destinations that it has not joined yet, in order of destination. */
  matchedBy(tx: Tx, certificateId: number, now: Date): Promise<MatchedFilter[]> {
    return tx.query(
      `select f.destination_id as "destinationId", f.asker_id as "askerId", f.api_key_id as "apiKeyId",
         c.sealed_key is not null as "hasKey"
       from certificate c join destination_filter f on ${isSelected}
       where c.id = $1 and ${isNewestValid('$2')} and ${isNew('f.destination_id')} order by 1`,
      [certificateId, now],
    );
  }

  /** At most `limit` certificates above the id `after` that match a filter and have not joined, in order of id. */
  joining(
    tx: Tx,
    { destinationId, owner, authorityId, nameLike, label, imported }: FilterColumns,
    { now, after, limit, withKey }: { now: Date; after: number; limit: number; withKey: boolean },
  ): Promise<{ id: number; name: string; owner: string }[]> {
    const where = new Conditions();
    // Only what the filter names, so that an index serves it.
    if (owner !== null) where.add(hasOwner('?'), owner);
    if (authorityId !== null) where.add(isOfAuthority('?'), authorityId);
    if (label !== null) where.add(hasLabel('?'), label);
    if (nameLike !== null) where.add(hasName('?'), nameLike);
    if (!imported) where.add('c.authority_id is not null');
    if (withKey) where.add('c.sealed_key is not null');
    where.add(isNewestValid('?'), now);
    where.add(isNew('?'), destinationId);
    where.add('c.id > ?', after);
    return tx.query(
      `select c.id, c.name, c.owner from certificate c where ${where.sql} order by c.id limit ${where.bind(limit)}`,
      where.values,
    );
  }
}
