import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';

/** `day`: like 2026-03-01, in UTC. `count` may be less than zero where waiting renewals are taken off. */
export interface DayCount {
  day: string;
  authorityId: number | null;
  count: number;
}

/** `from` is in it, `to` is not. `authorityId`: null for all. */
export interface CalendarSpan {
  from: Date;
  to: Date;
  authorityId: number | null;
}

const dayOf = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD')`;
const counted = (at: string): string =>
  `select ${dayOf(at)} as day, c.authority_id as "authorityId", count(*)::int as count from certificate c
   where ($3::int is null or c.authority_id = $3)`;

/** Every query of the calendar of renewals. The counts come from indexes alone. */
@Injectable()
export class CalendarRepository {
  /** What is planned; what is late happens `now`. What is due and waits is left out: nobody knows its day. */
  async renewals(tx: Tx, { from, to, authorityId }: CalendarSpan, now: Date): Promise<DayCount[]> {
    const group = 'group by 1, 2';
    const planned = `${counted('greatest(c.next_renewal_at, $4)')}
      and c.next_renewal_at < $2 and c.next_renewal_at >= case when $4 >= $1 then '-infinity' else $1 end and $4 < $2`;
    return tx.query(
      `select day, "authorityId", sum(count)::int as count from (
         ${planned} ${group}
         union all select day, "authorityId", -count from (${planned}
           and c.id in (select certificate_id from renewal_wait) ${group}) w) n
       ${group} having sum(count) > 0`,
      [from, to, authorityId, now],
    );
  }

  /** Certificates that end and have neither a planned renewal nor a successor. */
  async ends(tx: Tx, { from, to, authorityId }: CalendarSpan): Promise<DayCount[]> {
    return tx.query(
      `${counted('c.not_after')} and c.not_after >= $1 and c.not_after < $2 and c.next_renewal_at is null
         and c.state = 'issued' and c.renewal_reason in ('rotation-off', 'no-issuer', 'key-type') group by 1, 2`,
      [from, to, authorityId],
    );
  }

  async namesOf(tx: Tx, authorityIds: readonly number[]): Promise<Map<number, string>> {
    const rows: { id: number; name: string }[] = await tx.query('select id, name from authority where id = any($1)', [
      [...new Set(authorityIds)],
    ]);
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  /** How many renewals are due and wait for a limit or a pause. */
  async waiting(tx: Tx, authorityId: number | null): Promise<number> {
    const [{ count }] = await tx.query<[{ count: number }]>(
      `select count(*)::int as count from renewal_wait w
       join certificate c on c.id = w.certificate_id and c.next_renewal_at is not null
       where $1::int is null or c.authority_id = $1`,
      [authorityId],
    );
    return count;
  }
}
