import { Injectable } from '@nestjs/common';
import { Conditions } from '../../platform/db/conditions.js';
import type { Tx } from '../../platform/db/database.js';
import { whole, words } from '../../platform/db/list-filter.js';
import { type ListSource, listPage } from '../../platform/db/list-page.js';
import type { Page } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import type { CertificateFilter } from '../bulk/bulk.schema.js';
import type { RevokeRequest } from '../revoke/revoke.schema.js';
import type { ItemState, RunItemQuery, RunQuery, RunState } from './revocation-run.schema.js';

/** A revocation of many certificates. */
export interface RevocationRun {
  id: number;
  creatorId: number;
  /** With whose rights it goes on, and with those of which API key. */
  actorId: number;
  apiKeyId: number | null;
  state: RunState;
  crlReason: RevokeRequest['crlReason'];
  comments: string | null;
  invalidityDate: Date | null;
  replace: boolean | null;
  filter: CertificateFilter | null;
  perMinute: number;
  /** Grows when the state, the actor or the pace changes. */
  version: number;
  nextAt: Date;
  faultDetail: string | null;
  createdAt: Date;
  endedAt: Date | null;
}

/** Whether a run goes on, and with whose rights. */
export type RunHolder = Pick<RevocationRun, 'state' | 'actorId' | 'apiKeyId'>;

export interface ShownRun extends RevocationRun {
  creatorName: string;
  actorName: string;
  waiting: number;
  done: number;
  alreadyRevoked: number;
  failed: number;
}

export interface RunItem {
  certificateId: number;
  state: ItemState;
  attempts: number;
  problemCode: string | null;
  problemDetail: string | null;
  at: Date | null;
}

export type NewRun = Omit<RevocationRun, 'id' | 'state' | 'version' | 'faultDetail' | 'endedAt'>;

/** What a run says of one certificate after an attempt. */
export interface Attempted extends Omit<RunItem, 'attempts' | 'at'> {
  at: Date;
}

const columns = `r.id, r.creator_id as "creatorId", r.actor_id as "actorId", r.api_key_id as "apiKeyId", r.state,
  r.crl_reason as "crlReason", r.comments, r.invalidity_date as "invalidityDate", r.replace, r.filter,
  r.per_minute as "perMinute", r.next_at as "nextAt", r.fault_detail as "faultDetail", r.created_at as "createdAt",
  r.ended_at as "endedAt", r.version`;

const counted = (['waiting', 'done', 'already-revoked', 'failed'] as const)
  .map((state) => `count(*) filter (where state = '${state}')::int as "${state}"`)
  .join(', ');

const details = `cross join lateral (select ${counted} from revocation_run_item where run_id = r.id) n`;

const runs: ListSource = {
  columns: `${columns}, c.username as "creatorName", a.username as "actorName", n.waiting, n.done,
    n."already-revoked" as "alreadyRevoked", n.failed`,
  from: 'revocation_run r join app_user c on c.id = r.creator_id join app_user a on a.id = r.actor_id',
  details,
  sorts: {
    id: { sql: 'r.id', type: 'int' },
    state: { sql: 'r.state', type: 'text' },
    createdAt: { sql: 'r.created_at', type: 'timestamptz' },
  },
  filters: { id: whole('r.id'), state: words('r.state') },
  order: { by: 'id', dir: 'desc' },
};

const items: ListSource = {
  columns: `i.certificate_id as "certificateId", i.state, i.attempts, i.problem_code as "problemCode",
    i.problem_detail as "problemDetail", i.at`,
  from: 'revocation_run_item i',
  sorts: { id: { sql: 'i.certificate_id', type: 'int' } },
  filters: { id: whole('i.certificate_id'), state: words('i.state') },
};

/** Every query on revocations of many certificates. */
@Injectable()
export class RevocationRunRepository {
  /** The id. Certificates that are revoked, and requests that are cancelled already, are noted as such. */
  async add(tx: Tx, run: NewRun, certificateIds: readonly number[]): Promise<number> {
    const { creatorId, actorId, apiKeyId, crlReason, comments, invalidityDate, replace, filter, perMinute } = run;
    const [{ id }] = await tx.query<[{ id: number }]>(
      `insert into revocation_run (creator_id, actor_id, api_key_id, state, crl_reason, comments, invalidity_date,
         replace, filter, per_minute, next_at, created_at)
       values ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, $10, $11) returning id`,
      [
        creatorId,
        actorId,
        apiKeyId,
        crlReason,
        comments,
        invalidityDate,
        replace,
        filter && JSON.stringify(filter),
        perMinute,
        run.nextAt,
        run.createdAt,
      ],
    );
    await tx.query(
      `insert into revocation_run_item (run_id, certificate_id, state)
       select $1, n.id, case when c.state in ('revoked', 'cancelled') then 'already-revoked' else 'waiting' end
       from unnest($2::int[]) as n(id) left join certificate c on c.id = n.id`,
      [id, certificateIds],
    );
    return id;
  }

  /** Of these certificates, those that are revoked, and requests that are cancelled: nothing is left to be done. */
  async endedOf(tx: Tx, certificateIds: readonly number[]): Promise<Set<number>> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate where id = any($1) and state in ('revoked', 'cancelled')`,
      [certificateIds],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** The owners of these certificates, each once. */
  async ownersOf(tx: Tx, certificateIds: readonly number[]): Promise<string[]> {
    const rows: { owner: string }[] = await tx.query('select distinct owner from certificate where id = any($1)', [
      certificateIds,
    ]);
    return rows.map(({ owner }) => owner);
  }

  /** `of`: only those that this user has made or goes on with; null: all. Newest first. */
  list(tx: Tx, query: RunQuery, of: number | null): Promise<Page<ShownRun>> {
    const where = new Conditions();
    if (of !== null) where.add('? in (r.creator_id, r.actor_id)', of);
    if (query.state !== undefined) where.add('r.state = ?', query.state);
    return listPage(tx, runs, query, where);
  }

  async find(tx: Tx, id: number): Promise<ShownRun | null> {
    const [found] = await tx.query<ShownRun[]>(`select ${runs.columns} from ${runs.from} ${details} where r.id = $1`, [
      id,
    ]);
    return found ?? null;
  }

  /** Throws Problem `not-found`. */
  async get(tx: Tx, id: number): Promise<ShownRun> {
    const found = await this.find(tx, id);
    if (!found) throw unknownRun(id);
    return found;
  }

  items(tx: Tx, id: number, query: RunItemQuery): Promise<Page<RunItem>> {
    const where = new Conditions();
    where.add('i.run_id = ?', id);
    if (query.state !== undefined) where.add('i.state = ?', query.state);
    return listPage(tx, items, query, where);
  }

  /** Throws Problem `not-found`. */
  async lock(tx: Tx, id: number): Promise<RevocationRun> {
    const [run] = await tx.query<RevocationRun[]>(
      `select ${columns} from revocation_run r where r.id = $1 for update of r`,
      [id],
    );
    if (!run) throw unknownRun(id);
    return run;
  }

  async save(tx: Tx, run: RevocationRun): Promise<void> {
    const { id, actorId, apiKeyId, state, perMinute, nextAt, faultDetail, endedAt } = run;
    await tx.query(
      `update revocation_run set actor_id = $2, api_key_id = $3, state = $4, per_minute = $5, next_at = $6,
         fault_detail = $7, ended_at = $8,
         version = version
           + ((state, actor_id, api_key_id, per_minute) is distinct from ($4::text, $2::int, $3::int, $5::int))::int
       where id = $1`,
      [id, actorId, apiKeyId, state, perMinute, nextAt, faultDetail, endedAt],
    );
  }

  /** The next certificates, those with the fewest attempts first. */
  async next(tx: Tx, id: number, most: number): Promise<{ certificateId: number; attempts: number }[]> {
    return tx.query(
      `select certificate_id as "certificateId", attempts from revocation_run_item
       where run_id = $1 and state = 'waiting' order by attempts, certificate_id limit $2`,
      [id, most],
    );
  }

  /**
   * Notes an attempt, and returns how the run goes on now. What a step that overlaps has noted of the certificate
   * stays, unless this attempt has revoked it.
   */
  async note(tx: Tx, id: number, attempted: Attempted): Promise<RunHolder | undefined> {
    const { certificateId, state, problemCode, problemDetail, at } = attempted;
    await tx.query(
      `update revocation_run_item set state = $3, problem_code = $4, problem_detail = $5, at = $6,
         attempts = attempts + 1
       where run_id = $1 and certificate_id = $2 and (state = 'waiting' or $3 = 'done' and state <> 'done')`,
      [id, certificateId, state, problemCode, problemDetail, at],
    );
    const [run] = await tx.query<RunHolder[]>(
      `select state, actor_id as "actorId", api_key_id as "apiKeyId" from revocation_run where id = $1`,
      [id],
    );
    return run;
  }

  /**
   * The mail addresses of the creator and the actor of a run, each once, as far as they are active; of all active
   * administrators when neither is. The creator comes first.
   */
  async peopleOf(tx: Tx, id: number): Promise<string[]> {
    const rows: { email: string }[] = await tx.query(
      `with own as (select u.email, u.id = r.creator_id as first from revocation_run r
         join app_user u on u.id in (r.creator_id, r.actor_id) where r.id = $1 and u.active)
       select email, first from own
       union all select u.email, false from app_user u
         join user_role l on l.user_id = u.id join role o on o.id = l.role_id
         where u.active and not exists (select from own) and o.name in ('admin', 'read-only')
         group by u.id having bool_and(o.name = 'admin')
       order by first desc, email`,
      [id],
    );
    return rows.map(({ email }) => email);
  }

  /** How many runs with waiting certificates the program has paused. */
  async countStopped(tx: Tx): Promise<number> {
    const [{ count }] = await tx.query<[{ count: number }]>(
      `select count(*)::int as count from revocation_run r
       where state = 'paused' and fault_detail is not null
         and exists (select from revocation_run_item where run_id = r.id and state = 'waiting')`,
    );
    return count;
  }

  /** At most 200 runs whose next certificates are due. */
  async due(tx: Tx, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from revocation_run where state = 'running' and next_at <= $1 order by next_at limit 200`,
      [now],
    );
    return rows.map(({ id }) => id);
  }
}

export function unknownRun(id: number): Problem {
  return new Problem('not-found', `There is no revocation run ${id}.`);
}
