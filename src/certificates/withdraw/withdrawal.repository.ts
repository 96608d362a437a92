import { Injectable } from '@nestjs/common';
import { In, IsNull, MoreThan, Not } from 'typeorm';
import { setBackTimes, type StepBack } from '../../jobs/step-back.js';
import type { Tx } from '../../platform/db/database.js';
import { certificateHold, removeFromCrl, Withdrawal } from './withdrawal.entity.js';

/** The columns of a new withdrawal. Missing ones are null. */
export type NewWithdrawal = Pick<Withdrawal, 'certificateId' | 'authorityId' | 'kind' | 'giveUpAt' | 'createdAt'> &
  Partial<Pick<Withdrawal, 'chainPem' | 'serialHex' | 'externalId' | 'reason' | 'comments'>>;

const forGood = { kind: 'revoke' as const, reason: Not(In([certificateHold, removeFromCrl])) };

/** Every query on withdrawals. */
@Injectable()
export class WithdrawalRepository {
  /** Returns the id. */
  async add(tx: Tx, given: NewWithdrawal, nextAttemptAt: Date): Promise<number> {
    const made = tx.create(Withdrawal, { ...given, state: 'due', attempts: 0, nextAttemptAt });
    return (await tx.save(made)).id;
  }

  find(tx: Tx, id: number): Promise<Withdrawal | null> {
    return tx.findOneBy(Withdrawal, { id });
  }

  /** Locks the row, lets `work` change the entity, and saves it. Does nothing when the withdrawal is no longer due. */
  async change(tx: Tx, id: number, work: (withdrawal: Withdrawal) => Promise<void> | void): Promise<void> {
    const found = await tx.findOne(Withdrawal, { where: { id, state: 'due' }, lock: { mode: 'pessimistic_write' } });
    if (!found) return;
    await work(found);
    await tx.save(found);
  }

  /** True when a withdrawal that was not given up revokes this serial number for good. */
  async revokes(tx: Tx, certificateId: number, serialHex: string): Promise<boolean> {
    return tx.existsBy(Withdrawal, { certificateId, serialHex, ...forGood, state: Not('given-up') });
  }

  /**
   * The last withdrawal after this one that revokes, holds or releases the same certificate. One that was given up has
   * changed nothing, so it does not count; yet nothing is released that was to be revoked for good.
   */
  async findLater(tx: Tx, { id, authorityId, serialHex, wish }: Withdrawal): Promise<Withdrawal | null> {
    const same = { id: MoreThan(id), authorityId, serialHex: serialHex ?? IsNull(), kind: 'revoke' as const };
    const counting = [
      { ...same, state: In(['due', 'done']) },
      ...(wish === 'release' ? [{ ...same, ...forGood }] : []),
    ];
    return tx.findOne(Withdrawal, { where: counting, order: { id: 'DESC' } });
  }

  /** True while a `cancel` or `close` of the certificate's order is due. */
  async endsOrder(tx: Tx, certificateId: number): Promise<boolean> {
    return tx.existsBy(Withdrawal, { certificateId, kind: In(['cancel', 'close']), state: 'due' });
  }

  /** Makes every due withdrawal of a certificate due at `now`, and resets the retry delay. */
  async hasten(tx: Tx, certificateId: number, now: Date): Promise<Pick<Withdrawal, 'id' | 'authorityId'>[]> {
    const rows: [Pick<Withdrawal, 'id' | 'authorityId'>[], number] = await tx.query(
      `update withdrawal set next_attempt_at = $2, attempts = 0 where certificate_id = $1 and state = 'due'
       returning id, authority_id as "authorityId"`,
      [certificateId, now],
    );
    return rows[0];
  }

  /** Sets back the next attempts. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'withdrawal', column: 'next_attempt_at' }), step);
  }

  /** At most `limit` withdrawals whose attempt is due. Sets the next one to `again`, in case their job is lost. */
  async takeDue(
    tx: Tx,
    now: Date,
    { again, limit }: { again: Date; limit: number },
  ): Promise<Pick<Withdrawal, 'id' | 'authorityId'>[]> {
    const rows: [Pick<Withdrawal, 'id' | 'authorityId'>[], number] = await tx.query(
      `update withdrawal set next_attempt_at = $2 where id in (
         select id from withdrawal where next_attempt_at <= $1 order by next_attempt_at limit $3
         for update skip locked)
       returning id, authority_id as "authorityId"`,
      [now, again, limit],
    );
    return rows[0];
  }
}
