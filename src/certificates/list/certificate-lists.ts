import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/db/database.js';
import type { Actor } from '../../platform/http/actor.js';
import { longestPage, type Page } from '../../platform/http/page.js';
import { invalid } from '../../platform/http/problem.js';
import { type CertificateRow, readPage } from '../certificate.row.js';
import type { CertificateBriefView, CertificateView } from '../certificate.schema.js';
import { CertificateViews } from '../certificate.view.js';
import { CertificateFinder, type FoundPage } from './certificate-finder.js';
import type { CertificatePage, ListQuery, ValidQuery } from './list.schema.js';
import { type Among, Selecting } from './selecting.js';

/** Pages of certificates. */
@Injectable()
export class CertificateLists {
  constructor(
    private readonly db: Database,
    private readonly selecting: Selecting,
    private readonly finder: CertificateFinder,
    private readonly views: CertificateViews,
  ) {}

  list(actor: Actor, query: ListQuery, among: Among = {}): Promise<CertificatePage> {
    return this.listAs<CertificateView | CertificateBriefView>(
      query.short ? this.views.brief : this.views.full,
      actor,
      query,
      among,
    );
  }

  /**
   * Newest first, or the soonest to expire where `timeRange` is asked for, unless sorted otherwise; always in a stable
   * order.
   */
  async listAs<V>(
    view: (row: CertificateRow) => V,
    actor: Actor,
    query: ListQuery,
    among: Among = {},
  ): Promise<Page<V>> {
    const selection = await this.selecting.ofList(actor, query, among);
    const found = await this.finder.find(query, selection, query.timeRange === undefined ? 'id' : 'notAfter');
    return this.pageOf(view, found, query.chain);
  }

  /** Those in force. Throws `invalid-request` when nobody asked for a page and they are too many to come at once. */
  async valid(query: ValidQuery): Promise<Page<CertificateView>> {
    const isPaged = [query.page, query.count, query.after].some((given) => given !== undefined);
    const found = await this.finder.find(
      { ...query, page: query.page ?? 1, count: query.count ?? longestPage },
      this.selecting.ofValid(query),
    );
    if (!isPaged && found.next !== undefined)
      throw invalid('count', `More than ${longestPage} are in force: ask for them page by page, with page and count.`);
    return this.pageOf(this.views.full, found, query.chain);
  }

  /** The ids on such a page, the newest first. */
  async ids(actor: Actor, query: ListQuery): Promise<FoundPage> {
    return this.finder.find({ ...query, sortBy: 'id', sortDir: 'desc' }, await this.selecting.ofList(actor, query, {}));
  }

  private async pageOf<V>(
    view: (row: CertificateRow) => V,
    { ids, ...rest }: FoundPage,
    withChain = false,
  ): Promise<Page<V>> {
    return { items: (await readPage(this.db.single, ids, withChain)).map(view), ...rest };
  }
}
