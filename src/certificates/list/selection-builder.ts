import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database, type Tx } from '../../platform/db/database.js';
import { escapeLike } from '../../platform/db/list-filter.js';
import type { Actor } from '../../platform/http/actor.js';
import { invalid } from '../../platform/http/problem.js';
import type { CertificateState } from '../certificate.entity.js';
import { KnownValues } from './known-values.js';
import { byDestination, byNotification, bySerial, filterBy } from './list-filters.js';
import type { ListQuery, ValidQuery } from './list.schema.js';
import { Selection } from './selection.js';

/** Limits a list further than its query: to the certificates of a notification, or to certain states. */
export interface Restriction {
  notificationId?: number;
  states?: readonly CertificateState[];
}

const weekMs = 7 * 86_400_000;

/** Turns the query of a list of certificates into its selection, the conditions of the SQL. */
@Injectable()
export class SelectionBuilder {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  /** The selection of GET /certificates. Throws `invalid-request`. */
  ofList(actor: Actor, query: ListQuery, { notificationId, states }: Restriction): Promise<Selection> {
    const selection = new Selection(query.showExpired ?? false);
    if (query.id !== undefined) selection.add('c.id = ?', query.id);
    if (query.lifecycle !== undefined) selection.add('c.state = ?', query.lifecycle);
    if (query.active !== undefined) selection.add('c.notify = ?', query.active);
    if (query.rotation !== undefined) selection.add('c.rotation = ?', query.rotation);
    if (query.destinationId !== undefined) byDestination(selection, query.destinationId);
    if (query.serial !== undefined) bySerial(selection, query.serial, 'serial');
    if (query.timeRange !== undefined) this.endingWithin(selection, query.timeRange);
    if (states !== undefined) selection.add('c.state = any(?)', states);
    if (query.owner !== undefined)
      selection.addEither([{ column: 'lower(c.owner)', values: [query.owner.toLowerCase()] }]);
    return this.db.search((tx) => this.lookUp(tx, actor, { ...query, notificationId }, selection));
  }

  /** Valid certificates: not expired, revoked or replaced. `%` in a name is a wildcard. Throws `invalid-request`. */
  ofValid({ filter, owner, san }: ValidQuery): Selection {
    if (filter && filter.field !== 'cn')
      throw invalid('filter', `The field '${filter.field}' is not sortable or filterable; try cn.`);
    const selection = new Selection(false);
    selection.add(`c.state = 'issued' and c.not_after > ?`, this.clock.now());
    selection.add(
      `not exists (select from certificate_replacement r join certificate n on n.id = r.certificate_id
        where r.replaced_id = c.id and n.state in ('issued', 'superseded'))`,
    );
    if (owner !== undefined) selection.addEither([{ column: 'lower(c.owner)', values: [owner.toLowerCase()] }]);
    if (san !== undefined && /[^%]/.test(san)) selection.searches.push({ pattern: wildcards(san), ownNames: false });
    if (filter && /[^%]/.test(filter.value)) {
      selection.searches.push({ pattern: wildcards(filter.value), ownNames: false });
      selection.add('lower(c.common_name) like ?', wildcards(filter.value));
    }
    return selection;
  }

  private async lookUp(tx: Tx, actor: Actor, query: ListQuery & Restriction, selection: Selection): Promise<Selection> {
    const known = new KnownValues(tx);
    if (query.notificationId !== undefined) await byNotification(selection, query.notificationId, known);
    if (query.creator !== undefined) selection.addEither(await known.creators(query.creator));
    await filterBy(selection, query.filter, known);
    if (query.show) {
      selection.addEither([
        { column: 'c.creator_id', values: [actor.userId] },
        { column: 'lower(c.owner)', values: actor.roles.map(({ name }) => name.toLowerCase()) },
      ]);
    }
    return selection;
  }

  private endingWithin(selection: Selection, weeks: number): void {
    const now = this.clock.now();
    selection.add('c.not_after > ?', now);
    selection.add('c.not_after <= ?', new Date(now.getTime() + weeks * weekMs));
  }
}

/** A pattern for `like`, in lower case, with `%` as the only wildcard. */
function wildcards(text: string): string {
  return text.toLowerCase().split('%').map(escapeLike).join('%');
}
