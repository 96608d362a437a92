import { Injectable } from '@nestjs/common';
import { setBackTimes, type StepBack } from '../../jobs/step-back.js';
import { Conditions } from '../../platform/db/conditions.js';
import type { Tx } from '../../platform/db/database.js';
import { whole, words } from '../../platform/db/list-filter.js';
import { type ListSource, listPage } from '../../platform/db/list-page.js';
import type { Page } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import type { CertificateFilter } from '../bulk/bulk.schema.js';
import type { RunKindName, SuccessorWanted } from './run-kind.js';
import type { ItemState, RunItemQuery, RunQuery, RunState } from './run.schema.js';

/** A revocation or a replacement of many certificates. */
export interface CertificateRun {
  id: number;
  kind: RunKindName;
  creatorId: number;
  /** With whose rights it goes on, and with those of which API key. */
  actorId: number;
  apiKeyId: number | null;
  state: RunState;
  /** How each certificate is treated, in JSON; its kind knows the members. */
  wishes: object;
  filter: CertificateFilter | null;
  /** Null: as fast as it can. */
  perHour: number | null;
  /** Grows when the state, the actor or the pace changes. */
  version: number;
  nextAt: Date;
  faultDetail: string | null;
  createdAt: Date;
  endedAt: Date | null;
}

/** Whether a run goes on, and with whose rights. */
export type RunHolder = Pick<CertificateRun, 'state' | 'actorId' | 'apiKeyId'>;

/** How many certificates of a run are in each state. `held` are among `waiting`; the successors belong to `done`. */
export interface RunCounts {
  waiting: number;
  held: number;
  done: number;
  already: number;
  failed: number;
  underWay: number;
  issued: number;
}

export interface ShownRun extends CertificateRun, RunCounts {
  creatorName: string;
  actorName: string;
}

export interface RunItem {
  certificateId: number;
  /** Null when the certificate is deleted. */
  certificateName: string | null;
  state: ItemState;
  attempts: number;
  problemCode: string | null;
  problemDetail: string | null;
  at: Date | null;
  heldUntil: Date | null;
  successorId: number | null;
  successorName: string | null;
  successorState: string | null;
}

/** What a replacement run says of a certificate or of its predecessor. */
export interface ReplacementOf extends Pick<RunItem, 'certificateId' | 'state' | 'problemDetail' | 'successorId'> {
  runId: number;
  runState: RunState;
  reason: string;
}

export type NewRun = Omit<CertificateRun, 'id' | 'state' | 'version' | 'faultDetail' | 'endedAt'>;

/** What a run says of one certificate after it was looked at. `heldUntil`: set when it was held, not attempted. */
export interface Attempted extends Pick<RunItem, 'certificateId' | 'state' | 'problemCode' | 'problemDetail'> {
  at: Date;
  heldUntil: Date | null;
  successorId: number | null;
}

const columns = `r.id, r.kind, r.creator_id as "creatorId", r.actor_id as "actorId", r.api_key_id as "apiKeyId",
  r.state, r.wishes, r.filter, r.per_hour as "perHour", r.next_at as "nextAt", r.fault_detail as "faultDetail",
  r.created_at as "createdAt", r.ended_at as "endedAt", r.version`;

const details = `cross join lateral (select
    count(*) filter (where i.state = 'waiting')::int as waiting,
    count(i.held_until)::int as held,
    count(*) filter (where i.state = 'done')::int as done,
    count(*) filter (where i.state like 'already-%')::int as already,
    count(*) filter (where i.state = 'failed')::int as failed,
    count(*) filter (where s.state in ('requested', 'pending'))::int as "underWay",
    count(s.body_der)::int as issued
  from certificate_run_item i left join certificate s on s.id = i.successor_id where i.run_id = r.id) n`;

const runs: ListSource = {
  columns: `${columns}, c.username as "creatorName", a.username as "actorName", n.waiting, n.held, n.done, n.already,
    n.failed, n."underWay", n.issued`,
  from: 'certificate_run r join app_user c on c.id = r.creator_id join app_user a on a.id = r.actor_id',
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
  columns: `i.certificate_id as "certificateId", c.name as "certificateName", i.state, i.attempts,
    i.problem_code as "problemCode", i.problem_detail as "problemDetail", i.at, i.held_until as "heldUntil",
    i.successor_id as "successorId", s.name as "successorName", s.state as "successorState"`,
  from: `certificate_run_item i left join certificate c on c.id = i.certificate_id
    left join certificate s on s.id = i.successor_id`,
  sorts: { id: { sql: 'i.certificate_id', type: 'int' } },
  filters: { id: whole('i.certificate_id'), state: words('i.state') },
};

/** Every query on runs, which revoke or replace many certificates. */
@Injectable()
export class RunRepository {
  /** The id. `settled`: certificates at which nothing is left to do, which are noted as `already`. */
  async add(
    tx: Tx,
    run: NewRun,
    certificateIds: readonly number[],
    { settled, already }: { settled: ReadonlySet<number>; already: ItemState },
  ): Promise<number> {
    const { kind, creatorId, actorId, apiKeyId, wishes, filter, perHour, nextAt, createdAt } = run;
    const [{ id }] = await tx.query<[{ id: number }]>(
      `insert into certificate_run (kind, creator_id, actor_id, api_key_id, state, wishes, filter, per_hour, next_at,
         created_at)
       values ($1, $2, $3, $4, 'running', $5, $6, $7, $8, $9) returning id`,
      [
        kind,
        creatorId,
        actorId,
        apiKeyId,
        JSON.stringify(wishes),
        filter && JSON.stringify(filter),
        perHour,
        nextAt,
        createdAt,
      ],
    );
    await tx.query(
      `insert into certificate_run_item (run_id, certificate_id, state)
       select $1, n.id, case when n.id = any($3::int[]) then $4 else 'waiting' end from unnest($2::int[]) as n(id)`,
      [id, certificateIds, [...settled], already],
    );
    return id;
  }

  /** Of these certificates, those that are revoked, and requests that are cancelled. */
  async revokedOf(tx: Tx, certificateIds: readonly number[]): Promise<Set<number>> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate where id = any($1) and state in ('revoked', 'cancelled')`,
      [certificateIds],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /**
   * Of these certificates, those that are superseded, are being renewed, or are replaced by another one. A renewal that
   * is not issued yet counts only if it has this authority, profile and key type (null: any).
   */
  async replacedOf(
    tx: Tx,
    certificateIds: readonly number[],
    { authorityId, profileId, keyType }: SuccessorWanted,
  ): Promise<Set<number>> {
    const rows: { id: number }[] = await tx.query(
      `select c.id from certificate c where c.id = any($1) and (c.state = 'superseded'
         or exists (select from certificate s where s.renews_id = c.id
           and s.state not in ('failed', 'cancelled', 'revoked') and s.deleted_at is null
           and (s.state not in ('requested', 'pending') or s.authority_id = coalesce($2, s.authority_id)
             and ($3::int is null or s.profile_id = $3) and s.key_type = coalesce($4, s.key_type)))
         or exists (select from certificate_replacement r join certificate s on s.id = r.certificate_id
           where r.replaced_id = c.id and s.renews_id is distinct from c.id and s.state in ('issued', 'superseded')
             and s.deleted_at is null))`,
      [certificateIds, authorityId, profileId, keyType],
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
  list(tx: Tx, kind: RunKindName, query: RunQuery, of: number | null): Promise<Page<ShownRun>> {
    const where = new Conditions();
    where.add('r.kind = ?', kind);
    if (of !== null) where.add('? in (r.creator_id, r.actor_id)', of);
    if (query.state !== undefined) where.add('r.state = ?', query.state);
    return listPage(tx, runs, query, where);
  }

  /** Null when there is none of this kind; `kind` null: whatever its kind is. */
  async find(tx: Tx, kind: RunKindName | null, id: number): Promise<ShownRun | null> {
    const [found] = await tx.query<ShownRun[]>(
      `select ${runs.columns} from ${runs.from} ${details} where r.id = $1 and ($2::text is null or r.kind = $2)`,
      [id, kind],
    );
    return found ?? null;
  }

  items(tx: Tx, id: number, query: RunItemQuery): Promise<Page<RunItem>> {
    const where = new Conditions();
    where.add('i.run_id = ?', id);
    if (query.state !== undefined) where.add('i.state = ?', query.state);
    return listPage(tx, items, query, where);
  }

  /** Throws Problem `not-found`. */
  async lock(tx: Tx, id: number): Promise<CertificateRun> {
    const [run] = await tx.query<CertificateRun[]>(
      `select ${columns} from certificate_run r where r.id = $1 for update of r`,
      [id],
    );
    if (!run) throw new Problem('not-found', `There is no run ${id}.`);
    return run;
  }

  async save(tx: Tx, run: CertificateRun): Promise<void> {
    const { id, actorId, apiKeyId, state, perHour, nextAt, faultDetail, endedAt } = run;
    await tx.query(
      `update certificate_run set actor_id = $2, api_key_id = $3, state = $4, per_hour = $5, next_at = $6,
         fault_detail = $7, ended_at = $8,
         version = version
           + ((state, actor_id, api_key_id, per_hour) is distinct from ($4::text, $2::int, $3::int, $5::int))::int
       where id = $1`,
      [id, actorId, apiKeyId, state, perHour, nextAt, faultDetail, endedAt],
    );
  }

  /** The next certificates that nothing holds at `now`, those with the fewest attempts first. */
  async next(tx: Tx, id: number, now: Date, most: number): Promise<{ certificateId: number; attempts: number }[]> {
    return tx.query(
      `select certificate_id as "certificateId", attempts from certificate_run_item
       where run_id = $1 and state = 'waiting' and (held_until is null or held_until <= $2)
       order by attempts, certificate_id limit $3`,
      [id, now, most],
    );
  }

  /** When the first of the certificates that wait can be looked at (null: now); undefined when none waits. */
  async waitsUntil(tx: Tx, id: number, now: Date): Promise<Date | null | undefined> {
    const [{ waiting, free, until }] = await tx.query<[{ waiting: boolean; free: boolean; until: Date | null }]>(
      `select count(*) > 0 as waiting, coalesce(bool_or(held_until is null or held_until <= $2), false) as free,
         min(held_until) as until
       from certificate_run_item where run_id = $1 and state = 'waiting'`,
      [id, now],
    );
    if (!waiting) return undefined;
    return free ? null : until;
  }

  /**
   * The mail addresses of the creator and the actor of a run, each once, as far as they are active; of all active
   * administrators when neither is. The creator comes first.
   */
  async peopleOf(tx: Tx, id: number): Promise<string[]> {
    const rows: { email: string }[] = await tx.query(
      `with own as (select u.email, u.id = r.creator_id as first from certificate_run r
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

  /**
   * Notes an attempt, and returns how the run goes on now. What a step that overlaps has noted of the certificate
   * stays, unless this attempt has done it.
   */
  async note(tx: Tx, id: number, attempted: Attempted): Promise<RunHolder | undefined> {
    const { certificateId, state, problemCode, problemDetail, at, heldUntil, successorId } = attempted;
    await tx.query(
      `update certificate_run_item set state = $3, problem_code = $4, problem_detail = $5, at = $6,
         held_until = $7::timestamptz, successor_id = coalesce($8, successor_id),
         attempts = attempts + ($7::timestamptz is null)::int
       where run_id = $1 and certificate_id = $2 and (state = 'waiting' or $3 = 'done' and state <> 'done')`,
      [id, certificateId, state, problemCode, problemDetail, at, heldUntil, successorId],
    );
    const [run] = await tx.query<RunHolder[]>(
      `select state, actor_id as "actorId", api_key_id as "apiKeyId" from certificate_run where id = $1`,
      [id],
    );
    return run;
  }

  /**
   * The newest replacement run that is to replace the certificate, has tried to, or has requested it as a successor.
   * Null when there is none.
   */
  async replacementOf(tx: Tx, certificateId: number): Promise<ReplacementOf | null> {
    const [found] = await tx.query<ReplacementOf[]>(
      `select r.id as "runId", r.state as "runState", r.wishes ->> 'reason' as reason, i.state,
         i.certificate_id as "certificateId", i.successor_id as "successorId", i.problem_detail as "problemDetail"
       from certificate_run_item i join certificate_run r on r.id = i.run_id
       where (i.certificate_id = $1 or i.successor_id = $1) and r.kind = 'replacement'
         and (i.state in ('done', 'failed') or i.state = 'waiting' and r.state in ('running', 'paused'))
       order by r.id desc limit 1`,
      [certificateId],
    );
    return found ?? null;
  }

  /** How many runs with waiting certificates the program has paused. */
  async countStopped(tx: Tx, kind: RunKindName): Promise<number> {
    const [{ count }] = await tx.query<[{ count: number }]>(
      `select count(*)::int as count from certificate_run r
       where kind = $1 and state = 'paused' and fault_detail is not null
         and exists (select from certificate_run_item where run_id = r.id and state = 'waiting')`,
      [kind],
    );
    return count;
  }

  /** Sets back when the next certificates are due. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'certificate_run', column: 'next_at' }), step);
  }

  /** At most 200 runs whose next certificates are due. */
  async due(tx: Tx, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate_run where state = 'running' and next_at <= $1 order by next_at limit 200`,
      [now],
    );
    return rows.map(({ id }) => id);
  }
}
