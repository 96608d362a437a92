import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { ListOrder, type Placed } from '../../platform/db/list-order.js';
import type { Page } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { Gathered } from '../../platform/gathered.js';
import type { CertificateState } from '../certificate.entity.js';
import { type CertificateRow, readRows } from '../certificate.row.js';
import { briefView, type CertificateBriefView, type CertificateView, certificateView } from '../certificate.view.js';
import { conditionsOf } from './list.query.js';
import { type ListQuery, sortColumns } from './list.schema.js';

/** Beyond this a total is not counted on: it is then this number. */
const mostCounted = 10_001;
/** How long an answer waits for an issuer outside the process before it says 202. */
const patienceMs = 5000;
const pollMs = 100;

/** The status of an answer that shows this certificate to who asked for it: 202 while its issuer is at work. */
export function statusOf({ state }: Pick<CertificateView, 'state'>): 200 | 202 {
  return state === 'requested' || state === 'pending' ? 202 : 200;
}

/** Narrows a list further than its query: to those that a notification warns about, to those in certain states. */
interface Among { notificationId?: number; states?: readonly CertificateState[] }

/** Reads certificates for views. */
@Injectable()
export class CertificateReader {
  private readonly readings = new Gathered<number, CertificateRow | null>((ids) => this.readMany(ids));

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {}

  /** Throws Problem `not-found`. */
  async get(id: number): Promise<CertificateView> {
    return certificateView(await this.row(id));
  }

  /** As `get`, before it becomes a view. */
  async row(id: number): Promise<CertificateRow> {
    const row = await this.readings.run(id);
    if (!row) throw new Problem('not-found', `There is no certificate ${id}.`);
    return row;
  }

  /** As `get`, but waits some seconds for an issuer that is at work. */
  async settled(id: number): Promise<CertificateView> {
    for (let left = patienceMs; ; left -= pollMs) {
      const view = await this.get(id);
      if (left <= 0 || statusOf(view) === 200) return view;
      await sleep(pollMs);
    }
  }

  /** What a certificate replaces, and what replaces it. Throws Problem `not-found`. */
  async replacements(id: number): Promise<Page<CertificateView>> {
    const { replaces, replaced } = await this.get(id);
    const rows = await readRows(this.db.single, [...replaces, ...replaced].map((other) => other.id));
    return { items: rows.map(certificateView), total: rows.length };
  }

  async getByName(name: string): Promise<CertificateView> {
    const rows: { id: number }[] = await this.db.single.query('select id from certificate where name = $1', [name]);
    if (!rows[0]) throw new Problem('not-found', `There is no certificate ${name}.`);
    return this.get(rows[0].id);
  }

  list(query: ListQuery, among: Among = {}): Promise<Page<CertificateView | CertificateBriefView>> {
    return this.listAs<CertificateView | CertificateBriefView>(query.short ? briefView : certificateView, query, among);
  }

  /** Newest first unless sorted otherwise; always in a stable order. */
  async listAs<V>(view: (row: CertificateRow) => V, query: ListQuery, { notificationId, states }: Among = {}): Promise<Page<V>> {
    const now = this.clock.now();
    const where = conditionsOf(query, now, new Date(now.getTime() - this.config.hideExpiredAfterDays * 86_400_000));
    if (notificationId !== undefined) where.add('c.id in (select certificate_id from certificate_notification where notification_id = ?)', notificationId);
    if (states !== undefined) where.add('c.state = any(?)', states);
    const counted: [{ total: number }] = await this.db.single.query(
      `select count(*)::int as total from (select from certificate c where ${where.sql} limit ${mostCounted}) as counted`, where.values);
    const order = new ListOrder(sortColumns, query, { by: 'id', dir: 'desc' });
    order.goOn(where);
    const found = await this.db.single.query<({ id: number } & Placed)[]>(
      `select c.id, ${order.place} from certificate c where ${where.sql} order by ${order.sql}
       limit ${query.count + 1} offset ${query.after ? 0 : (query.page - 1) * query.count}`, where.values);
    const { items: ids, ...next } = order.page(found, query.count);
    const rows = await readRows(this.db.single, ids.map((row) => row.id));
    return { items: rows.map(view), total: counted[0].total, ...next };
  }

  private async readMany(ids: readonly number[]): Promise<(CertificateRow | null)[]> {
    const rows = new Map((await readRows(this.db.single, [...new Set(ids)])).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  }
}
