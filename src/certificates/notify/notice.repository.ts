import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { Tx } from '../../platform/db/database.js';
import { Notice, type NoticeEvent } from './notice.entity.js';

export interface NewNotice {
  certificateId: number;
  subscriptionId: number | null;
  event: NoticeEvent;
  dedupeKey: string;
  data?: Record<string, unknown>;
}

/** How long a new notice waits before the sweep takes care of it, should its job be lost. */
const safetyNetMs = 60_000;

/** Every query on notices. */
@Injectable()
export class NoticeRepository {
  /** Writes notices that have not been written before; the ids of the new ones. */
  async add(tx: Tx, notices: readonly NewNotice[], now: Date): Promise<number[]> {
    if (notices.length === 0) return [];
    const rows: { id: number }[] = await tx.query(
      `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, next_attempt_at, created_at)
       select "certificateId", "subscriptionId", event, "dedupeKey", coalesce(data, '{}'), 'due', $2, $3
       from jsonb_to_recordset($1::jsonb) as n("certificateId" int, "subscriptionId" int, event text, "dedupeKey" text,
       data jsonb)
       on conflict (dedupe_key) do nothing returning id`,
      [JSON.stringify(notices), new Date(now.getTime() + safetyNetMs), now],
    );
    return rows.map((row) => row.id);
  }

  /** Writes down that these have been sent, by whomever; known ones stay as they are. */
  async addSent(tx: Tx, notices: readonly NewNotice[], now: Date): Promise<void> {
    if (notices.length === 0) return;
    await tx.query(
      `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, sent_at, created_at)
       select "certificateId", "subscriptionId", event, "dedupeKey", coalesce(data, '{}'), 'sent', $2, $2
       from jsonb_to_recordset($1::jsonb) as n("certificateId" int, "subscriptionId" int, event text, "dedupeKey" text,
       data jsonb)
       on conflict (dedupe_key) do nothing`,
      [JSON.stringify(notices), now],
    );
  }

  getMany(tx: Tx, ids: readonly number[]): Promise<Notice[]> {
    return tx.find(Notice, { where: { id: In([...ids]) }, order: { id: 'ASC' } });
  }

  /** Those of these ids that are still to be sent, locked. */
  lockDue(tx: Tx, ids: readonly number[]): Promise<Notice[]> {
    return tx.find(Notice, {
      where: { id: In([...ids]), state: 'due' },
      order: { id: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
  }

  async save(tx: Tx, notices: readonly Notice[]): Promise<void> {
    await tx.save([...notices]);
  }

  /** Notices that are due, at most 200; they come up again at `again` should their job be lost. */
  async takeDue(tx: Tx, now: Date, again: Date): Promise<Notice[]> {
    const rows: [{ id: number }[], number] = await tx.query(
      `update notice set next_attempt_at = $2 where id in (
         select id from notice where next_attempt_at <= $1 order by next_attempt_at limit 200 for update skip locked)
           returning id`,
      [now, again],
    );
    return this.getMany(
      tx,
      rows[0].map((row) => row.id),
    );
  }

  list(tx: Tx, certificateId: number): Promise<Notice[]> {
    return tx.find(Notice, { where: { certificateId }, order: { id: 'DESC' }, take: 200 });
  }
}
