import { Injectable } from '@nestjs/common';
import { setBackTimes, type StepBack } from '../jobs/step-back.js';
import type { Tx } from '../platform/db/database.js';
import type { RotationLimit } from './holds.js';

/** Every query on the limits of renewals per hour, and on what they count. */
@Injectable()
export class LimitRepository {
  /** The limit of all authorities together first. */
  async all(tx: Tx): Promise<(RotationLimit & { authorityName: string | null })[]> {
    return tx.query(
      `select l.authority_id as "authorityId", l.per_hour as "perHour", a.name as "authorityName"
       from rotation_limit l left join authority a on a.id = l.authority_id order by l.authority_id nulls first`,
    );
  }

  /**
   * The limits, locked until the transaction ends: no other process changes them or lets a renewal begin meanwhile.
   */
  async lock(tx: Tx): Promise<RotationLimit[]> {
    // A statement of its own, and no lock on rows: one that waited for rows that `replace` deletes would see neither
    // them nor the new ones, and so no limits.
    await tx.query(`select pg_advisory_xact_lock(hashtextextended('rotation-limits', 0))`);
    return tx.query(`select authority_id as "authorityId", per_hour as "perHour" from rotation_limit order by id`);
  }

  /** Puts these limits in the place of all others. They must be locked. */
  async replace(tx: Tx, limits: readonly RotationLimit[]): Promise<void> {
    await tx.query('delete from rotation_limit');
    await tx.query(
      `insert into rotation_limit (authority_id, per_hour)
       select "authorityId", "perHour" from jsonb_to_recordset($1) as l("authorityId" int, "perHour" int)`,
      [JSON.stringify(limits)],
    );
  }

  /** How many renewals have begun after `since`, by authority. Forgets those before. */
  async begunSince(tx: Tx, since: Date): Promise<Map<number, number>> {
    await tx.query('delete from renewal_start where at <= $1', [since]);
    const rows: { id: number; count: number }[] = await tx.query(
      'select authority_id as id, count(*)::int as count from renewal_start where at > $1 group by authority_id',
      [since],
    );
    return new Map(rows.map(({ id, count }) => [id, count]));
  }

  /** Sets back when renewals have begun, so that they do not count for longer than an hour. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'renewal_start', column: 'at', key: 'ctid' }), step);
  }

  /** Counts one renewal of each of these authorities; one that is named twice counts twice. */
  async addBegun(tx: Tx, authorityIds: readonly number[], now: Date): Promise<void> {
    await tx.query('insert into renewal_start (authority_id, at) select id, $2 from unnest($1::int[]) as n(id)', [
      authorityIds,
      now,
    ]);
  }
}
