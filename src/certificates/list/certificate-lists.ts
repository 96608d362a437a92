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
import { type Restriction, SelectionBuilder } from './selection-builder.js';

/** Reads pages of certificates as views: finds the ids of a page by a query, then reads their rows. */
@Injectable()
export class CertificateLists {
  constructor(
    private readonly db: Database,
    private readonly selections: SelectionBuilder,
    private readonly finder: CertificateFinder,
    private readonly views: CertificateViews,
  ) {}

  list(actor: Actor, query: ListQuery, restriction: Restriction = {}): Promise<CertificatePage> {
    return this.listAs<CertificateView | CertificateBriefView>(
      query.short ? this.views.brief : this.views.full,
      actor,
      query,
      restriction,
    );
  }

  /** Default order: newest first; with `timeRange`, soonest to expire first. Every order is stable. */
  async listAs<V>(
    view: (row: CertificateRow) => V,
    actor: Actor,
    query: ListQuery,
    restriction: Restriction = {},
  ): Promise<Page<V>> {
    const selection = await this.selections.ofList(actor, query, restriction);
    const found = await this.finder.find(query, selection, query.timeRange === undefined ? 'id' : 'notAfter');
    return this.pageOf(view, found, query.chain);
  }

  /** Valid certificates. Throws `invalid-request` if the query names no page and there are more than `longestPage`. */
  async valid(query: ValidQuery): Promise<Page<CertificateView>> {
    const isPaged = [query.page, query.count, query.after].some((given) => given !== undefined);
    const found = await this.finder.find(
      { ...query, page: query.page ?? 1, count: query.count ?? longestPage },
      this.selections.ofValid(query),
    );
    if (!isPaged && found.next !== undefined)
      throw invalid(
        'count',
        `More than ${longestPage} certificates are valid. Read them in pages, with page and count.`,
      );
    return this.pageOf(this.views.full, found, query.chain);
  }

  /** As `list`, but ids only, newest first. */
  async ids(actor: Actor, query: ListQuery): Promise<FoundPage> {
    return this.finder.find(
      { ...query, sortBy: 'id', sortDir: 'desc' },
      await this.selections.ofList(actor, query, {}),
    );
  }

  private async pageOf<V>(
    view: (row: CertificateRow) => V,
    { ids, ...rest }: FoundPage,
    withChain = false,
  ): Promise<Page<V>> {
    return { items: (await readPage(this.db.single, ids, withChain)).map(view), ...rest };
  }
}
