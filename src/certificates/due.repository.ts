import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import type { Tx } from '../platform/db/database.js';
import { timestamp } from '../platform/db/timestamp.js';
import { snake } from '../platform/db/snake-naming.js';
import { Certificate } from './certificate.entity.js';

/** Every query on certificates by the columns that say when they are due, for sweeps and for those who plan them. */
@Injectable()
export class DueRepository {
  /** Issued certificates above the id `after` that follow a policy, in order, locked. */
  lockOfPolicy(tx: Tx, policyId: number, after: number, limit: number): Promise<Certificate[]> {
    return tx.find(Certificate, {
      where: { rotationPolicyId: policyId, state: 'issued', id: MoreThan(after) },
      order: { id: 'ASC' },
      take: limit,
      lock: { mode: 'pessimistic_write' },
    });
  }

  /** Saves of these, which are locked, whether they renew and warn; nothing else. */
  async saveOutlooks(tx: Tx, rows: readonly Certificate[]): Promise<void> {
    await tx.query(
      `update certificate c set notify = w.notify, rotation = w.rotation, to_replace = w."toReplace",
         next_notice_at = w."nextNoticeAt", next_renewal_at = w."nextRenewalAt", renewal_reason = w."renewalReason",
         renewal_attempts = w."renewalAttempts", renewal_fault = w."renewalFault", renewal_detail = w."renewalDetail"
       from jsonb_to_recordset($1::jsonb) as w(id int, notify boolean, rotation boolean, "toReplace" boolean,
         "nextNoticeAt" timestamptz, "nextRenewalAt" timestamptz, "renewalReason" text, "renewalAttempts" int,
         "renewalFault" text, "renewalDetail" text)
       where c.id = w.id`,
      [JSON.stringify(rows.map(outlookOf))],
    );
  }

  /** Ids of certificates whose moment of renewal has come, in order. */
  async idsDueForRenewal(tx: Tx, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate where (state = 'issued' or to_replace) and next_renewal_at <= $1 order by id`,
      [now],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Certificates whose renewal has failed so far, or is late by more than an hour; the first twenty by their end, for
   * people.
   */
  async lateRenewals(tx: Tx, now: Date): Promise<{ name: string; notAfter: Date; detail: string | null }[]> {
    return tx.query(
      `select name, not_after as "notAfter", renewal_detail as detail from certificate c
       where (state = 'issued' or to_replace) and next_renewal_at is not null and (renewal_fault is not null
       or next_renewal_at < $1::timestamptz - interval '1 hour')
       order by not_after, id limit 20`,
      [now],
    );
  }

  /** Marks at most `limit` of those that ended by `before`, or takes the mark from those that did not; how many. */
  async retire(tx: Tx, retired: boolean, before: Date, limit: number): Promise<number> {
    const late = retired ? 'not retired and not_after <= $1' : 'retired and not_after > $1 and deleted_at is null';
    const rows: [unknown[], number] = await tx.query(
      `update certificate set retired = not retired where id in (select id from certificate where ${late} limit $2
        for update skip locked) returning id`,
      [before, limit],
    );
    return rows[0].length;
  }

  /**
   * Certificates whose moment in `column` has come, at most 200, with the authority that they are issued by; their next
   * moment is put off to `again`, so that a lost job is found again then and no other instance takes the same rows.
   */
  async takeDue(
    tx: Tx,
    column: 'nextAttemptAt' | 'nextRenewalAt' | 'nextNoticeAt',
    now: Date,
    again: Date,
  ): Promise<{ id: number; authorityId: number | null }[]> {
    const name = snake(column);
    const rows: [{ id: number; authorityId: number | null }[], number] = await tx.query(
      `update certificate set ${name} = $2 where id in (
         select id from certificate where ${name} <= $1 order by ${name} limit 200 for update skip locked)
           returning id, authority_id as "authorityId"`,
      [now, again],
    );
    return rows[0];
  }
}

function outlookOf(row: Certificate): object {
  const { id, notify, rotation, toReplace, renewalReason, renewalAttempts, renewalFault, renewalDetail } = row;
  const renewal = { renewalReason, renewalAttempts, renewalFault, renewalDetail };
  const at = { nextNoticeAt: timestamp(row.nextNoticeAt), nextRenewalAt: timestamp(row.nextRenewalAt) };
  return { id, notify, rotation, toReplace, ...renewal, ...at };
}
