import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/db/database.js';
import type { Page } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { Gathered } from '../../platform/gathered.js';
import { type CertificateRow, readPage, readRows } from '../certificate.row.js';
import type { CertificateView } from '../certificate.schema.js';
import { CertificateViews } from '../certificate.view.js';

/** How long a request waits for an issuer behind a network before it is answered with 202. */
const patienceMs = 5000;
const pollMs = 100;

/** The HTTP status of a response to a request for this certificate: 202 until it is issued or has failed. */
export function statusOf({ lifecycle }: Pick<CertificateView, 'lifecycle'>): 200 | 202 {
  return lifecycle === 'requested' || lifecycle === 'pending' ? 202 : 200;
}

/** Reads single certificates as views, and waits for an issuer that has not answered yet. */
@Injectable()
export class CertificateReader {
  /** Reads at the same time share one query. */
  private readonly readings = new Gathered<number, CertificateRow | null>((ids) => this.readMany(ids));

  constructor(
    private readonly db: Database,
    private readonly views: CertificateViews,
  ) {}

  /** Throws Problem `not-found`. */
  async get(id: number): Promise<CertificateView> {
    return this.views.full(await this.row(id));
  }

  /** As `get`, but returns the row. */
  async row(id: number): Promise<CertificateRow> {
    const row = await this.readings.run(id);
    if (!row) throw new Problem('not-found', `There is no certificate ${id}.`);
    return row;
  }

  /** As `get`, but waits up to five seconds until it is issued, has failed, or a person must decide a dispute. */
  async settled(id: number): Promise<CertificateView> {
    for (let left = patienceMs; ; left -= pollMs) {
      const view = await this.get(id);
      if (left <= 0 || statusOf(view) === 200 || view.order?.disputed) return view;
      await sleep(pollMs);
    }
  }

  /** The predecessors and successors of a certificate. Throws Problem `not-found`. */
  async replacements(id: number): Promise<Page<CertificateView>> {
    const { replaces, replaced } = await this.get(id);
    const rows = await readPage(
      this.db.single,
      [...replaces, ...replaced].map((other) => other.id),
      false,
    );
    return { items: rows.map(this.views.full), total: rows.length };
  }

  /** The certificate with this name as a list of one or none, as Lemur's clients expect. */
  async named(name: string): Promise<Page<CertificateView>> {
    const found: { id: number }[] = await this.db.single.query('select id from certificate where name = $1', [name]);
    const rows = await readRows(
      this.db.single,
      found.map(({ id }) => id),
    );
    return { items: rows.map(this.views.full), total: rows.length };
  }

  private async readMany(ids: readonly number[]): Promise<(CertificateRow | null)[]> {
    const rows = new Map((await readRows(this.db.single, [...new Set(ids)])).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  }
}
