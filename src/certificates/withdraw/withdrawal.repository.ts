import { Injectable } from '@nestjs/common';
import { In, IsNull, MoreThan, Not } from 'typeorm';
import type { Tx } from '../../platform/db/database.js';
import { certificateHold, removeFromCrl, Withdrawal } from './withdrawal.entity.js';

/** What a new withdrawal is about. */
export type NewWithdrawal = Pick<Withdrawal, 'certificateId' | 'authorityId' | 'kind' | 'giveUpAt' | 'createdAt'> &
  Partial<Pick<Withdrawal, 'chainPem' | 'serialHex' | 'externalId' | 'reason' | 'comments'>>;

/** Every query on withdrawals. */
@Injectable()
export class WithdrawalRepository {
  /** Its id. */
  async add(tx: Tx, given: NewWithdrawal, nextAttemptAt: Date): Promise<number> {
    const made = tx.create(Withdrawal, { ...given, state: 'due', attempts: 0, nextAttemptAt });
    return (await tx.save(made)).id;
  }

  find(tx: Tx, id: number): Promise<Withdrawal | null> {
    return tx.findOneBy(Withdrawal, { id });
  }

  /** Locks the row and saves what `work` changes; one that is no longer due stays as it is. */
  async change(tx: Tx, id: number, work: (withdrawal: Withdrawal) => Promise<void> | void): Promise<void> {
    const found = await tx.findOne(Withdrawal, { where: { id, state: 'due' }, lock: { mode: 'pessimistic_write' } });
    if (!found) return;
    await work(found);
    await tx.save(found);
  }

  /** True when the CA is told, or was told, to revoke this certificate of the row. */
  async revokes(tx: Tx, certificateId: number, serialHex: string): Promise<boolean> {
    const reason = Not(In([certificateHold, removeFromCrl]));
    return tx.existsBy(Withdrawal, { certificateId, serialHex, kind: 'revoke', reason });
  }

  /** True when the CA was told something later about the certificate that this one is to revoke, hold or release. */
  async isOutdated(tx: Tx, { id, certificateId, serialHex }: Withdrawal): Promise<boolean> {
    return tx.existsBy(Withdrawal, {
      id: MoreThan(id),
      certificateId,
      serialHex: serialHex ?? IsNull(),
      kind: 'revoke',
    });
  }

  /** True while the order of this certificate is still to be cancelled at the CA, or followed. */
  async endsOrder(tx: Tx, certificateId: number): Promise<boolean> {
    return tx.existsBy(Withdrawal, { certificateId, kind: In(['cancel', 'close']), state: 'due' });
  }

  /** What is due of a certificate is due at `now`, without the waits of earlier failures. */
  async hasten(tx: Tx, certificateId: number, now: Date): Promise<Pick<Withdrawal, 'id' | 'authorityId'>[]> {
    const rows: [Pick<Withdrawal, 'id' | 'authorityId'>[], number] = await tx.query(
      `update withdrawal set next_attempt_at = $2, attempts = 0 where certificate_id = $1 and state = 'due'
       returning id, authority_id as "authorityId"`,
      [certificateId, now],
    );
    return rows[0];
  }

  /** Those whose moment has come, at most 200; they come up again at `again` should their job be lost. */
  async takeDue(tx: Tx, now: Date, again: Date): Promise<Pick<Withdrawal, 'id' | 'authorityId'>[]> {
    const rows: [Pick<Withdrawal, 'id' | 'authorityId'>[], number] = await tx.query(
      `update withdrawal set next_attempt_at = $2 where id in (
         select id from withdrawal where next_attempt_at <= $1 order by next_attempt_at limit 200 for update skip locked)
       returning id, authority_id as "authorityId"`,
      [now, again],
    );
    return rows[0];
  }
}
