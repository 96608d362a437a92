import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { setBackTimes, type StepBack } from '../../jobs/step-back.js';
import type { Tx } from '../../platform/db/database.js';
import { Conditions } from '../../platform/db/conditions.js';
import { exactly, whole } from '../../platform/db/list-filter.js';
import { type ListSource, listPage } from '../../platform/db/list-page.js';
import type { Owned } from '../../roles/permission.js';
import type { Page, PageQuery } from '../../platform/http/page.js';
import { Problem } from '../../platform/http/problem.js';
import { rolesOf } from '../certificate-roles.js';
import { lineIds } from '../line-ids.js';
import { Delivery, type DeliveryState } from './delivery.entity.js';
import { isSelected } from './destination-filter.repository.js';

/** The page of deliveries to list, and its filters. */
export interface DeliveryQuery extends PageQuery {
  certificateId?: number;
  destinationId?: number;
  state?: DeliveryState;
}

const source: ListSource = {
  columns: `id, certificate_id as "certificateId", destination_id as "destinationId", state, location, attempts, fault,
    fault_detail as "faultDetail", next_attempt_at as "nextAttemptAt", last_attempt_at as "lastAttemptAt",
    delivered_at as "deliveredAt", created_at as "createdAt", verification, verification_detail as "verificationDetail",
    verified_at as "verifiedAt", checked_at as "checkedAt",
    hook, hooked_at as "hookedAt",
    (select ${isSelected} from destination_filter f join certificate c on c.id = delivery.certificate_id
     where f.destination_id = delivery.destination_id) as matches`,
  from: 'delivery',
  sorts: { id: { sql: 'id', type: 'int' } },
  filters: {
    id: whole('id'),
    certificateId: whole('certificate_id'),
    destinationId: whole('destination_id'),
    state: exactly('state'),
    location: exactly('location'),
    fault: exactly('fault'),
  },
  order: { by: 'id', dir: 'desc' },
};

/** SQL: the ids of the certificate $1, and of all its predecessors and successors. */
const line = lineIds('both', 'select $1::int');

/** A delivery with `matches`: whether the filter of its destination selects its certificate; null without a filter. */
export type ShownDelivery = Delivery & { matches: boolean | null };

/** A planned delivery is due for the sweep after this time, in case its job is lost. */
const safetyNetMs = 60_000;

/** A delivery and the destination that it goes to. */
export interface Bound {
  id: number;
  destinationId: number;
}

/** A certificate that is to be delivered at a destination. */
export type Wanted = Pick<Delivery, 'certificateId' | 'destinationId'>;

/** When the checks of what others have delivered begin: at a random moment of the interval. 0: there are none. */
export interface Checks {
  now: Date;
  everyMs: number;
}

/** SQL: the first check of the certificate `c` where others have delivered it; null when it has expired. */
const firstCheck = (now: string, everyMs: string): string =>
  `case when ${everyMs} > 0 and c.not_after > ${now} then ${now} + random() * ${everyMs} * interval '1 ms' end`;

/** Every query on deliveries. Locks are taken on the certificate first, then on its deliveries. */
@Injectable()
export class DeliveryRepository {
  /** Plans deliveries, and returns the ids of the new ones. A delivery that was being removed starts again. */
  async plan(tx: Tx, wanted: readonly Wanted[], now: Date): Promise<number[]> {
    if (wanted.length === 0) return [];
    const rows: { id: number }[] = await tx.query(
      `insert into delivery (certificate_id, destination_id, state, next_attempt_at, created_at)
       select distinct c, d, 'planned', $3::timestamptz, $4::timestamptz
       from unnest($1::int[], $2::int[]) as w(c, d) order by c, d
       on conflict (certificate_id, destination_id) where state not in ('removed') do update
         set state = 'planned', round = delivery.round + 1, attempts = 0, fault = null, fault_detail = null,
         next_attempt_at = excluded.next_attempt_at
         where delivery.state in ('removing', 'left')
       returning id`,
      [
        wanted.map(({ certificateId }) => certificateId),
        wanted.map(({ destinationId }) => destinationId),
        new Date(now.getTime() + safetyNetMs),
        now,
      ],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Stores that another system has delivered the certificate `at` that time. Other deliveries at the location become
   * `replaced`.
   */
  async addDelivered(
    tx: Tx,
    { certificateId, destinationId, location, at }: Wanted & { location: string | null; at: Date },
    { now, everyMs }: Checks,
  ): Promise<void> {
    await tx.query(
      `update delivery set state = 'replaced', next_attempt_at = null
       where destination_id = $1 and location = $2 and certificate_id <> $3
       and state in ('planned', 'failing', 'delivered')`,
      [destinationId, location, certificateId],
    );
    await tx.query(
      `insert into delivery (certificate_id, destination_id, state, location, delivered_at, created_at, next_attempt_at)
       select c.id, $2, 'delivered', $3, $4, $4, ${firstCheck('$5::timestamptz', '$6::float8')}
       from certificate c where c.id = $1
       on conflict (certificate_id, destination_id) where state not in ('removed') do nothing`,
      [certificateId, destinationId, location, at, now, everyMs],
    );
  }

  async get(tx: Tx, id: number): Promise<Delivery> {
    const found = await tx.findOneBy(Delivery, { id });
    if (!found) throw new Problem('not-found', `There is no delivery ${id}.`);
    return found;
  }

  /** The owners, creators and roles of these certificates. */
  async peopleOf(tx: Tx, certificateIds: readonly number[]): Promise<(Owned & { id: number })[]> {
    if (certificateIds.length === 0) return [];
    return tx.query(
      `select c.id, c.owner, c.creator_id as "creatorId",
         array(${rolesOf('c')}) as "roleIds"
       from certificate c where c.id = any($1)`,
      [certificateIds],
    );
  }

  /** The deliveries of a certificate, in order of id. */
  of(tx: Tx, certificateId: number): Promise<Delivery[]> {
    return tx.find(Delivery, { where: { certificateId }, order: { id: 'ASC' } });
  }

  /** Throws Problem `not-found`. */
  async shown(tx: Tx, id: number): Promise<ShownDelivery> {
    const [found] = await tx.query<ShownDelivery[]>(`select ${source.columns} from ${source.from} where id = $1`, [id]);
    if (!found) throw new Problem('not-found', `There is no delivery ${id}.`);
    return found;
  }

  find(tx: Tx, id: number): Promise<Delivery | null> {
    return tx.findOneBy(Delivery, { id });
  }

  /** Newest first unless the query sorts otherwise. */
  async list(tx: Tx, query: DeliveryQuery): Promise<Page<ShownDelivery>> {
    const where = new Conditions();
    if (query.certificateId !== undefined) where.add('certificate_id = ?', query.certificateId);
    if (query.destinationId !== undefined) where.add('destination_id = ?', query.destinationId);
    if (query.state !== undefined) where.add('state = ?', query.state);
    return listPage(tx, source, query, where);
  }

  /** The deliveries of these certificates, in order of id, locked. */
  lockOf(tx: Tx, ...certificateIds: readonly number[]): Promise<Delivery[]> {
    return tx.find(Delivery, {
      where: { certificateId: In([...certificateIds]) },
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
  }

  /** Locks the row, lets `work` change the entity, and saves the changes. Null when the row is deleted. */
  async change<T>(tx: Tx, id: number, work: (delivery: Delivery) => T | Promise<T>): Promise<T | null> {
    const delivery = await tx.findOne(Delivery, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!delivery) return null;
    const result = await work(delivery);
    await tx.save(delivery);
    return result;
  }

  async save(tx: Tx, deliveries: readonly Delivery[]): Promise<void> {
    await tx.save([...deliveries]);
  }

  /** The delivery that is at a location, also while it is delivered again; null when there is none. */
  findAt(tx: Tx, destinationId: number, location: string): Promise<Delivery | null> {
    return tx
      .createQueryBuilder(Delivery, 'd')
      .where(
        'd.destinationId = :destinationId and d.location = :location and d.state in ' +
          `('planned', 'failing', 'delivered')`,
        { destinationId, location },
      )
      .getOne();
  }

  /**
   * The delivery of a predecessor that this delivery has replaced at its location, and that can be delivered again: it
   * is issued, its key is here if it is needed, and it is of use: until `reserveMs`, or a tenth of its lifetime, before
   * its end, when the successor must be tried again. The one that is valid longest; null for none.
   */
  async findPredecessorAt(
    tx: Tx,
    { certificateId, destinationId, location }: Delivery,
    { now, reserveMs, needsPrivateKey }: { now: Date; reserveMs: number; needsPrivateKey: boolean },
  ): Promise<{ id: number; usefulUntil: Date } | null> {
    const usefulUntil = `c.not_after - least($6 * interval '1 millisecond', (c.not_after - c.not_before) / 10)`;
    const rows: { id: number; usefulUntil: Date }[] = await tx.query(
      `select d.id, ${usefulUntil} as "usefulUntil" from delivery d join certificate c on c.id = d.certificate_id
       where d.certificate_id = any(${lineIds('older', 'select $1::int')}) and d.certificate_id <> $1
         and d.destination_id = $2 and d.location = $3
         and d.state = 'replaced' and c.state = 'issued' and c.deleted_at is null and ${usefulUntil} > $4
         and (c.sealed_key is not null or not $5) order by c.not_after desc limit 1`,
      [certificateId, destinationId, location, now, needsPrivateKey, reserveMs],
    );
    return rows[0] ?? null;
  }

  /** True while another certificate of the line is still to arrive at the destination. */
  async isAwaited(tx: Tx, certificateId: number, destinationId: number): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from delivery d join certificate c on c.id = d.certificate_id
       where d.certificate_id = any(${line}) and d.certificate_id <> $1 and d.destination_id = $2
         and (d.state in ('planned', 'failing') or d.verification = 'pending')
         and c.state in ('requested', 'pending', 'issued') and c.deleted_at is null limit 1`,
      [certificateId, destinationId],
    );
    return rows.length > 0;
  }

  /** True when a successor of the certificate is at the destination: the certificate need not be in use there. */
  async isFollowed(tx: Tx, { certificateId, destinationId }: Delivery): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select from delivery where certificate_id = any(${lineIds('newer', 'select $1::int')})
         and certificate_id <> $1 and destination_id = $2
         and state = 'delivered' limit 1`,
      [certificateId, destinationId],
    );
    return rows.length > 0;
  }

  /** The ids of the deliveries of the line that must leave the destination. */
  async leaving(tx: Tx, certificateId: number, destinationId: number): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select d.id from delivery d where d.certificate_id = any(${line}) and d.destination_id = $2
         and d.state = 'leaving' order by d.id`,
      [certificateId, destinationId],
    );
    return rows.map(({ id }) => id);
  }

  /** At most `limit` due deliveries. They are due again at `again`, in case their jobs are lost. */
  async takeDue(tx: Tx, now: Date, { again, limit }: { again: Date; limit: number }): Promise<Bound[]> {
    const rows: [Bound[], number] = await tx.query(
      `update delivery set next_attempt_at = $2 where id in (
         select id from delivery where next_attempt_at <= $1 order by next_attempt_at limit $3 for update skip locked)
           returning id, destination_id as "destinationId"`,
      [now, again, limit],
    );
    return rows[0];
  }

  /** Sets back the next attempts and checks. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'delivery', column: 'next_attempt_at' }), step);
  }

  /** Deliveries that are not in use, or of which nobody could tell, are due for a check. */
  async recheck(tx: Tx, destinationId: number, now: Date): Promise<void> {
    await tx.query(
      `update delivery set next_attempt_at = $2
       where destination_id = $1 and state = 'delivered' and verification in ('not-verifiable', 'differs')`,
      [destinationId, now],
    );
  }

  /** The destinations of these deliveries. */
  async boundOf(tx: Tx, ids: readonly number[]): Promise<Bound[]> {
    if (ids.length === 0) return [];
    return tx.query<Bound[]>(
      'select id, destination_id as "destinationId" from delivery where id = any($1) order by id',
      [ids],
    );
  }

  /** Twenty deliveries, removals, hooks and checks that fail, or that were rolled back, in order of id. */
  async failing(tx: Tx): Promise<{ certificate: string; destination: string; detail: string | null }[]> {
    return tx.query(
      `select c.name as certificate, d.label as destination, l.fault_detail as detail from delivery l
       join certificate c on c.id = l.certificate_id join destination d on d.id = l.destination_id
       where l.state in ('failing', 'removing', 'rolled-back', 'delivered') and l.fault is not null
       order by l.id limit 20`,
    );
  }

  /**
   * Adds a delivered delivery for each certificate that was found at a destination, is issued, has a stored private key
   * and has no delivery there yet.
   */
  async noteStanding(
    tx: Tx,
    destinationId: number,
    found: readonly { certificateId: number; location: string }[],
    { now, everyMs }: Checks,
  ): Promise<void> {
    const rows = found.map(({ certificateId, location }) => ({ certificateId, location }));
    await tx.query(
      `insert into delivery (certificate_id, destination_id, state, location, delivered_at, created_at, next_attempt_at)
       select c.id, $1, 'delivered', w.location, $3, $3, ${firstCheck('$3::timestamptz', '$4::float8')}
       from jsonb_to_recordset($2::jsonb) as w("certificateId" int, location text)
       join certificate c on c.id = w."certificateId"
       where c.state = 'issued' and c.sealed_key is not null and c.deleted_at is null
         and not exists (select from delivery d where d.certificate_id = c.id and d.destination_id = $1)
       order by c.id on conflict do nothing`,
      [destinationId, JSON.stringify(rows), now, everyMs],
    );
  }

  /** The names and locations of these certificates that are delivered at a destination. */
  namesAt(
    tx: Tx,
    destinationId: number,
    certificateIds: readonly number[],
  ): Promise<{ name: string; location: string }[]> {
    return tx.query(
      `select c.name, coalesce(d.location, c.name) as location from delivery d
        join certificate c on c.id = d.certificate_id
       where d.destination_id = $1 and d.state = 'delivered' and c.id = any($2) order by c.id`,
      [destinationId, certificateIds],
    );
  }

  /** The number of certificates at a destination, with those that are to be delivered or removed. */
  async countAt(tx: Tx, destinationId: number): Promise<number> {
    return tx
      .createQueryBuilder(Delivery, 'd')
      .where(`d.destinationId = :destinationId and d.state not in ('removed', 'replaced', 'stopped', 'left')`, {
        destinationId,
      })
      .getCount();
  }
}
