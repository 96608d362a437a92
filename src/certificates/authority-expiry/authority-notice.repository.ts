import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';

/** One warning about the end of one authority: the ledger holds it once, however often it is looked for. */
export interface AuthorityNotice {
  authorityId: number;
  leadDays: number;
  notAfter: Date;
}

/** An authority that may have to be warned about. `told`: the leads, in days, of which the ledger knows. */
export interface EndingAuthority {
  id: number;
  notBefore: Date;
  notAfter: Date;
  told: number[];
}

const key = 'authority_id = $1 and lead_days = $2 and not_after = $3';
const keyOf = ({ authorityId, leadDays, notAfter }: AuthorityNotice): unknown[] => [authorityId, leadDays, notAfter];

/** Every query on the ledger of warnings about authorities. */
@Injectable()
export class AuthorityNoticeRepository {
  /** Active authorities that end before `limit` and have not ended longer ago than `ended`. */
  ending(tx: Tx, limit: Date, ended: Date): Promise<EndingAuthority[]> {
    return tx.query(
      `select a.id, a.not_before as "notBefore", a.not_after as "notAfter",
         array(select n.lead_days from authority_notice n where n.authority_id = a.id
         and n.not_after = a.not_after) as told
       from authority a where a.active and a.not_after < $1 and a.not_after > $2 order by a.id`,
      [limit, ended],
    );
  }

  /** What is in the ledger already stays as it is. */
  async add(tx: Tx, notices: readonly AuthorityNotice[], now: Date): Promise<void> {
    if (notices.length === 0) return;
    await tx.query(
      `insert into authority_notice (authority_id, lead_days, not_after, next_attempt_at, created_at)
       select n."authorityId", n."leadDays", n."notAfter", $2, $2
         from jsonb_to_recordset($1::jsonb) as n("authorityId" int, "leadDays" int, "notAfter" timestamptz)
       on conflict do nothing`,
      [JSON.stringify(notices), now],
    );
  }

  /** Warnings that are due, at most 200; they come up again at `again` should their job be lost. */
  async takeDue(tx: Tx, now: Date, again: Date): Promise<AuthorityNotice[]> {
    const [rows]: [AuthorityNotice[], number] = await tx.query(
      `update authority_notice set next_attempt_at = $2 where (authority_id, lead_days, not_after) in (
         select authority_id, lead_days, not_after from authority_notice where next_attempt_at <= $1
           order by next_attempt_at limit 200 for update skip locked)
       returning authority_id as "authorityId", lead_days as "leadDays", not_after as "notAfter"`,
      [now, again],
    );
    return rows;
  }

  /** How often it has failed; null when it has been sent, or is not in the ledger. */
  async attemptsOf(tx: Tx, notice: AuthorityNotice): Promise<number | null> {
    const [found] = await tx.query<{ attempts: number }[]>(
      `select attempts from authority_notice where ${key} and sent_at is null`,
      keyOf(notice),
    );
    return found?.attempts ?? null;
  }

  async sent(tx: Tx, notice: AuthorityNotice, now: Date): Promise<void> {
    await tx.query(`update authority_notice set sent_at = $4, next_attempt_at = null where ${key}`, [
      ...keyOf(notice),
      now,
    ]);
  }

  async failed(tx: Tx, notice: AuthorityNotice, detail: string, again: Date): Promise<void> {
    await tx.query(
      `update authority_notice set attempts = attempts + 1, fault_detail = $4, next_attempt_at = $5
        where ${key} and sent_at is null`,
      [...keyOf(notice), detail, again],
    );
  }
}
