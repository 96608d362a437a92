import { Injectable } from '@nestjs/common';
import { Conditions } from '../platform/db/conditions.js';
import type { Tx } from '../platform/db/database.js';
import { whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import type { Pause } from './holds.js';

/** A pause of renewals with who made it. `until`: null without an end. */
export interface StoredPause extends Pause {
  reason: string;
  userId: number;
  since: Date;
  until: Date | null;
  endedAt: Date | null;
}

/** `targetName`: of the authority, source or certificate. */
export interface NamedPause extends StoredPause {
  username: string;
  targetName: string | null;
}

/** `waiting`: how many renewals it holds. */
export interface ShownPause extends NamedPause {
  waiting: number;
}

export type NewPause = Omit<StoredPause, 'id' | 'endedAt'>;

const columns = `p.id, p.scope, coalesce(p.authority_id, p.source_id, p.certificate_id) as "targetId",
  p.holds_emergencies as "holdsEmergencies", p.reason, p.user_id as "userId", p.since, p.until,
  p.ended_at as "endedAt"`;

const named = `${columns}, u.username, coalesce(a.name, s.label, c.name) as "targetName"`;
const shown: ListSource = {
  columns: `${named}, w.waiting`,
  from: `rotation_pause p join app_user u on u.id = p.user_id left join authority a on a.id = p.authority_id
    left join source s on s.id = p.source_id left join certificate c on c.id = p.certificate_id`,
  // Some have been renewed, revoked or deleted while they waited.
  details: `cross join lateral (select count(*)::int as waiting from renewal_wait v join certificate h
    on h.id = v.certificate_id and h.next_renewal_at is not null where v.pause_id = p.id) w`,
  sorts: { id: { sql: 'p.id', type: 'int' }, since: { sql: 'p.since', type: 'timestamptz' } },
  filters: { id: whole('p.id'), scope: words('p.scope'), reason: words('p.reason') },
};

const inForce = `select ${named} from ${shown.from}
  where p.ended_at is null and (p.until is null or p.until > $1) order by p.holds_emergencies desc, p.id`;

/** Every query on pauses of renewals. */
@Injectable()
export class PauseRepository {
  /** The pauses in force, those that hold emergencies too first. */
  async inForce(tx: Tx, now: Date): Promise<NamedPause[]> {
    return tx.query(inForce, [now]);
  }

  /**
   * As `inForce`, locked until the transaction ends: whoever lets go on what a pause has held waits for it, and sees
   * what it holds.
   */
  async lockInForce(tx: Tx, now: Date): Promise<NamedPause[]> {
    return tx.query(`${inForce} for key share of p`, [now]);
  }

  list(tx: Tx, query: PageQuery & { active?: boolean }): Promise<Page<ShownPause>> {
    const where = new Conditions();
    if (query.active !== undefined) where.add(`p.ended_at is ${query.active ? '' : 'not '}null`);
    return listPage(tx, shown, query, where);
  }

  /** Throws Problem `not-found`. */
  async get(tx: Tx, id: number): Promise<ShownPause> {
    const [found] = await tx.query<ShownPause[]>(
      `select ${shown.columns} from ${shown.from} ${shown.details ?? ''} where p.id = $1`,
      [id],
    );
    if (!found) throw new Problem('not-found', `There is no pause ${id}.`);
    return found;
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<StoredPause> {
    const [found] = await tx.query<StoredPause[]>(
      `select ${columns} from rotation_pause p where p.id = $1 for update`,
      [id],
    );
    if (!found) throw new Problem('not-found', `There is no pause ${id}.`);
    return found;
  }

  /** Returns the id. Violates `rotation_pause_open` when there is a pause of this target. */
  async add(tx: Tx, pause: NewPause): Promise<number> {
    const { scope, targetId, holdsEmergencies, reason, userId, since, until } = pause;
    const of = (wanted: Pause['scope']): number | null => (scope === wanted ? targetId : null);
    const [{ id }] = await tx.query<[{ id: number }]>(
      `insert into rotation_pause (scope, authority_id, source_id, certificate_id, holds_emergencies, reason, user_id,
         since, until) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
      [scope, of('authority'), of('source'), of('certificate'), holdsEmergencies, reason, userId, since, until],
    );
    return id;
  }

  async save(tx: Tx, { id, holdsEmergencies, reason, until, endedAt }: StoredPause): Promise<void> {
    await tx.query(
      'update rotation_pause set holds_emergencies = $2, reason = $3, until = $4, ended_at = $5 where id = $1',
      [id, holdsEmergencies, reason, until, endedAt],
    );
  }

  /** Ends the pauses whose time is over, and returns their ids. */
  async endDue(tx: Tx, now: Date): Promise<number[]> {
    const rows: [{ id: number }[], number] = await tx.query(
      'update rotation_pause set ended_at = $1 where ended_at is null and until <= $1 returning id',
      [now],
    );
    return rows[0].map(({ id }) => id);
  }
}
