import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/http/actor.js';
import { longestPage } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { validate } from '../../platform/http/validate.js';
import type { FoundPage } from '../list/certificate-finder.js';
import { CertificateLists } from '../list/certificate-lists.js';
import { ListQuery } from '../list/list.schema.js';
import type { CertificateFilter } from './bulk.schema.js';

const Selecting = ListQuery.omit({ page: true, count: true, sortBy: true, sortDir: true, after: true, short: true });
const Paging = ListQuery.pick({ page: true, count: true, after: true });

/** Finds the certificates that a request selects. Throws Problem `invalid-request` for unknown filters. */
@Injectable()
export class CertificateSelection {
  constructor(private readonly lists: CertificateLists) {}

  /** Newest first. `after`: `next` of the page before. */
  page(
    actor: Actor,
    filter: CertificateFilter,
    { count, after }: { count: number; after: string | undefined },
  ): Promise<FoundPage> {
    const given = Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, String(value)]));
    const query = validate(Selecting, given);
    const page = validate(Paging, { count: String(count), ...(after !== undefined && { after }) });
    return this.lists.ids(actor, { ...query, ...page });
  }

  /** The ids of all. Throws Problem `conflict` when there are more than `maximum`. */
  async all(actor: Actor, filter: CertificateFilter, maximum: number): Promise<number[]> {
    const ids: number[] = [];
    let after: string | undefined;
    do {
      const page = await this.page(actor, filter, { count: longestPage, after });
      ids.push(...page.ids);
      if (ids.length > maximum)
        throw new Problem('conflict', `The filter selects more than ${maximum} certificates. Nothing was done.`);
      after = page.next;
    } while (after !== undefined);
    return ids;
  }
}
