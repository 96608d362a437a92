import { Injectable } from '@nestjs/common';
import type { CertificateRow } from '../../certificates/certificate.row.js';
import { ExportService } from '../../certificates/export/export.service.js';
import { CertificateLists } from '../../certificates/list/certificate-lists.js';
import { CertificateReader } from '../../certificates/list/certificate-reader.js';
import { ListQuery } from '../../certificates/list/list.schema.js';
import { Clock } from '../../platform/clock.js';
import type { Actor } from '../../platform/http/actor.js';
import { Problem } from '../../platform/http/problem.js';
import { certificateView } from './certificate.view.js';

/** Certificates per read: the memory bound of a list of any length. */
const batch = 500;

/** Reads the certificates that authorities here have issued. FastPKI knows no others. */
@Injectable()
export class FastpkiCertificates {
  constructor(
    private readonly reader: CertificateReader,
    private readonly lists: CertificateLists,
    private readonly exports: ExportService,
    private readonly clock: Clock,
  ) {}

  /** Throws Problem `not-found`. */
  async row(id: number): Promise<CertificateRow> {
    const row = await this.reader.row(id);
    if (row.authority === null || row.deletedAt !== null)
      throw new Problem('not-found', `There is no certificate ${id}.`);
    return row;
  }

  /** With its private key as PKCS#8 PEM, or null; reading it is an audit event. Throws Problem as ExportService. */
  async withKey(actor: Actor, id: number): Promise<{ row: CertificateRow; privateKey: string | null }> {
    const row = await this.row(id);
    return { row, privateKey: await this.exports.key(actor, id) };
  }

  /**
   * All issued certificates, of one CA if `caId` is given, oldest first, as parts of one JSON list: FastPKI knows no
   * pages. Errors of the first page are thrown before the first part.
   */
  async json(actor: Actor, caId: number | undefined): Promise<AsyncIterable<string>> {
    return this.parts(actor, caId, await this.page(actor, caId));
  }

  private async *parts(actor: Actor, caId: number | undefined, first: JsonPage): AsyncGenerator<string> {
    let separator = '[';
    for (let page: JsonPage | null = first; page;) {
      for (const one of page.items) {
        yield separator + one;
        separator = ',';
      }
      page = page.next === undefined ? null : await this.page(actor, caId, page.next);
    }
    yield separator === '[' ? '[]' : ']';
  }

  private async page(actor: Actor, caId: number | undefined, after?: string): Promise<JsonPage> {
    const query = ListQuery.parse({
      count: String(batch),
      sortBy: 'id',
      sortDir: 'asc',
      showExpired: 'true',
      ...(caId !== undefined && { authority: String(caId) }),
      ...(after !== undefined && { after }),
    });
    const now = this.clock.now();
    const { items, next } = await this.lists.listAs(
      (row) => (row.authority === null || row.bodyPem === null ? [] : [JSON.stringify(certificateView(row, now))]),
      actor,
      query,
    );
    return { items: items.flat(), next };
  }
}

interface JsonPage {
  items: string[];
  next?: string;
}
