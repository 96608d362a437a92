import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { setBackTimes, type StepBack } from '../jobs/step-back.js';
import type { Tx } from '../platform/db/database.js';
import { timestamp } from '../platform/db/timestamp.js';
import { Certificate } from './certificate.entity.js';

/** What `saveOutlooks` stores: column, field and type. */
const outlook = [
  ['state', 'state', 'text'],
  ['notify', 'notify', 'boolean'],
  ['rotation', 'rotation', 'boolean'],
  ['to_replace', 'toReplace', 'boolean'],
  ['next_renewal_at', 'nextRenewalAt', 'timestamptz'],
  ['renewal_reason', 'renewalReason', 'text'],
  ['renewal_retry_at', 'renewalRetryAt', 'timestamptz'],
  ['renewal_attempts', 'renewalAttempts', 'int'],
  ['renewal_fault', 'renewalFault', 'text'],
  ['renewal_detail', 'renewalDetail', 'text'],
  ['superseded_at', 'supersededAt', 'timestamptz'],
  ['awaits_deployment', 'awaitsDeployment', 'boolean'],
] as const;

/** Queries on certificates by their due dates, for the sweeps and the planning. */
@Injectable()
export class DueRepository {
  /** The issued certificates of a policy with ids above `after`, in order, locked. */
  lockOfPolicy(tx: Tx, policyId: number, after: number, limit: number): Promise<Certificate[]> {
    return tx.find(Certificate, {
      where: { rotationPolicyId: policyId, state: 'issued', id: MoreThan(after) },
      order: { id: 'ASC' },
      take: limit,
      lock: { mode: 'pessimistic_write' },
    });
  }

  /**
   * Stores of these locked certificates whether they are watched, when they renew and whether they are superseded, and
   * nothing else: only of those of which that changed.
   */
  async saveOutlooks(tx: Tx, rows: readonly Certificate[]): Promise<void> {
    if (rows.length === 0) return;
    const columns = outlook.map(([column]) => column);
    const fields = outlook.map(([, field]) => `w."${field}"`);
    await tx.query(
      `update certificate c set (${columns.join(', ')}) = (${fields.join(', ')})
       from jsonb_to_recordset($1::jsonb) as w(id int, ${outlook.map(([, field, type]) => `"${field}" ${type}`).join(', ')})
       where c.id = w.id
         and (${columns.map((column) => `c.${column}`).join(', ')}) is distinct from (${fields.join(', ')})`,
      [JSON.stringify(rows.map(outlookOf))],
    );
  }

  /** The ids of the certificates whose renewal is due, in order. */
  async idsDueForRenewal(tx: Tx, now: Date): Promise<number[]> {
    const rows: { id: number }[] = await tx.query(
      `select id from certificate where (state = 'issued' or to_replace) and next_renewal_at <= $1 order by id`,
      [now],
    );
    return rows.map((row) => row.id);
  }

  /** Certificates whose renewal failed last or is more than an hour late: the first twenty to expire. */
  async lateRenewals(tx: Tx, now: Date): Promise<{ name: string; notAfter: Date; detail: string | null }[]> {
    return tx.query(
      `select name, not_after as "notAfter", renewal_detail as detail from certificate c
       where (state = 'issued' or to_replace) and next_renewal_at is not null and (renewal_fault is not null
       or next_renewal_at < $1::timestamptz - interval '1 hour')
       order by not_after, id limit 20`,
      [now],
    );
  }

  /**
   * Marks at most `limit` certificates that expired before `before` as retired, or unmarks those that did not. Returns
   * their number.
   */
  async retire(tx: Tx, retired: boolean, before: Date, limit: number): Promise<number> {
    const late = retired ? 'not retired and not_after <= $1' : 'retired and not_after > $1 and deleted_at is null';
    const rows: [unknown[], number] = await tx.query(
      `update certificate set retired = not retired where id in (select id from certificate where ${late} limit $2
        for update skip locked) returning id`,
      [before, limit],
    );
    return rows[0].length;
  }

  /** Sets back the next attempts of orders and of failed renewals. Other renewals have dates. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    const retries = { column: 'renewal_retry_at', alike: 'next_renewal_at' };
    await tx.query(setBackTimes({ table: 'certificate', column: 'next_attempt_at' }), step);
    await tx.query(setBackTimes({ table: 'certificate', ...retries }), step);
  }

  /**
   * At most `limit` certificates whose next attempt is due, with their authorities. The attempt is due again at
   * `again`, so that no other process takes the same rows and a lost job is found again.
   */
  async takeDue(
    tx: Tx,
    now: Date,
    { again, limit }: { again: Date; limit: number },
  ): Promise<{ id: number; authorityId: number | null }[]> {
    const rows: [{ id: number; authorityId: number | null }[], number] = await tx.query(
      `update certificate set next_attempt_at = $2 where id in (
         select id from certificate where next_attempt_at <= $1 order by next_attempt_at limit $3
           for update skip locked)
           returning id, authority_id as "authorityId"`,
      [now, again, limit],
    );
    return rows[0];
  }
}

function outlookOf(row: Certificate): object {
  const fields = outlook.map(([, field]): [string, unknown] => {
    const value = row[field];
    return [field, value instanceof Date ? timestamp(value) : value];
  });
  return { id: row.id, ...Object.fromEntries(fields) };
}
