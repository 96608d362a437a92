import { Injectable } from '@nestjs/common';
import { Conditions } from '../../platform/db/conditions.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { truth, truthValue, whole, words } from '../../platform/db/list-filter.js';
import { type ListSource, listPage } from '../../platform/db/list-page.js';
import type { Page } from '../../platform/http/page.js';
import { SourceRepository } from '../../sources/source.repository.js';
import { linkedColumns } from '../certificate.row.js';
import { type FindingQuery, type FindingRow, findingView, type FindingView } from './finding.schema.js';

const list: ListSource = {
  columns: `l.id, l.source_id as "sourceId", l.location, l.external_id as "externalId", l.logged,
    coalesce(l.owner, s.owner) as owner, l.first_seen_at as "firstSeenAt", l.seen_at as "lastSeenAt",
    l.stale_since as "staleSince",
    (select json_build_object(${linkedColumns}) from certificate x where x.id = l.certificate_id) as certificate,
    (select coalesce(json_agg(json_build_object('id', e.id, 'name', e.name, 'port', e.port) order by e.id), '[]')
       from endpoint e where e.source_id = l.source_id and e.external_id = l.location
         and e.certificate_id = l.certificate_id) as endpoints`,
  from: `source_certificate l join source s on s.id = l.source_id join certificate c on c.id = l.certificate_id`,
  sorts: {
    id: { sql: 'l.id', type: 'int' },
    location: { sql: 'left(l.location, 300)', type: 'text' },
    firstSeenAt: { sql: 'l.first_seen_at', type: 'timestamptz' },
    lastSeenAt: { sql: 'l.seen_at', type: 'timestamptz' },
  },
  filters: {
    id: whole('l.id'),
    location: words('l.location'),
    externalId: words('l.external_id'),
    owner: words('coalesce(l.owner, s.owner)'),
    certificate: whole('l.certificate_id'),
    name: words('c.name'),
    logged: truth('l.logged'),
    stale: (where, value) => where.add('(l.stale_since is not null) = ?', truthValue(value)),
  },
};

/** Lists the findings of a source, stale ones included. */
@Injectable()
export class FindingList {
  constructor(
    private readonly db: Database,
    private readonly sources: SourceRepository,
  ) {}

  /** Throws Problem `not-found` when there is no such source. */
  async of(sourceId: number, query: FindingQuery): Promise<Page<FindingView>> {
    const tx: Tx = this.db.single;
    await this.sources.get(tx, sourceId);
    const where = new Conditions();
    where.add('l.source_id = ?', sourceId);
    if (query.owner !== undefined) where.add('lower(coalesce(l.owner, s.owner)) = ?', query.owner);
    if (query.stale !== undefined) where.add('(l.stale_since is not null) = ?', query.stale);
    const page = await listPage<FindingRow>(tx, list, query, where);
    return { ...page, items: page.items.map(findingView) };
  }
}
