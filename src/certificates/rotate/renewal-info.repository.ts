import { Injectable } from '@nestjs/common';
import { setBackTimes, type StepBack } from '../../jobs/step-back.js';
import type { Tx } from '../../platform/db/database.js';
import type { Certificate } from '../certificate.entity.js';

/**
 * The renewal window that a CA suggests (RFC 9773 §4.2). `suggestedAt`: the moment chosen in it; `lastAt`: from when on
 * nothing holds the renewal, null when the end of the window is no deadline.
 */
export interface SuggestedRenewal {
  windowStart: Date;
  windowEnd: Date;
  suggestedAt: Date;
  lastAt: Date | null;
  explanationUrl: string | null;
}

/** A certificate, and its authority as it is about to be stored. */
type Watched = Pick<Certificate, 'id' | 'authorityId'>;

/** Every query on renewal information: the windows that CAs suggest, and when each CA is asked again. */
@Injectable()
export class RenewalInfoRepository {
  /**
   * From now on the CAs that are elsewhere are asked when to renew these certificates: at once about a single one, and
   * within a day about many, which may be a small part of a large import.
   */
  async watch(tx: Tx, certificates: readonly Watched[], now: Date): Promise<void> {
    if (certificates.length === 0) return;
    await tx.query(
      `insert into renewal_info (certificate_id, ask_at)
       select c.id, $3::timestamptz + random() * $4 * interval '1 second'
       from unnest($1::int[], $2::int[]) as c(id, authority_id)
       join authority a on a.id = c.authority_id and a.key_id is null
       on conflict (certificate_id) do update set ask_at = excluded.ask_at where renewal_info.ask_at is null`,
      [
        certificates.map(({ id }) => id),
        certificates.map(({ authorityId }) => authorityId),
        now,
        certificates.length === 1 ? 0 : 86_400,
      ],
    );
  }

  async find(tx: Tx, certificateId: number): Promise<SuggestedRenewal | null> {
    const rows: SuggestedRenewal[] = await tx.query(
      `select window_start as "windowStart", window_end as "windowEnd", suggested_at as "suggestedAt",
        last_at as "lastAt", explanation_url as "explanationUrl"
       from renewal_info where certificate_id = $1 and suggested_at is not null`,
      [certificateId],
    );
    return rows[0] ?? null;
  }

  /** Stores the suggestion of the CA, or null for none. `askAt`: when the CA is asked again; null for never. */
  async store(tx: Tx, certificateId: number, suggested: SuggestedRenewal | null, askAt: Date | null): Promise<void> {
    await tx.query(
      `update renewal_info set ask_at = $2, window_start = $3, window_end = $4, suggested_at = $5, explanation_url = $6,
         last_at = $7 where certificate_id = $1`,
      [
        certificateId,
        askAt,
        suggested?.windowStart,
        suggested?.windowEnd,
        suggested?.suggestedAt,
        suggested?.explanationUrl,
        suggested?.lastAt,
      ],
    );
  }

  async askAgain(tx: Tx, certificateId: number, askAt: Date): Promise<void> {
    await tx.query('update renewal_info set ask_at = $2 where certificate_id = $1', [certificateId, askAt]);
  }

  /** Sets back when CAs are asked next. See SetBack. */
  async setBack(tx: Tx, step: StepBack): Promise<void> {
    await tx.query(setBackTimes({ table: 'renewal_info', column: 'ask_at', key: 'certificate_id' }), step);
  }

  /** At most `limit` certificates whose CA is due to be asked. They are due again at `again`, if their job is lost. */
  async takeDue(
    tx: Tx,
    now: Date,
    { again, limit }: { again: Date; limit: number },
  ): Promise<{ id: number; authorityId: number | null }[]> {
    const rows: [{ id: number; authorityId: number | null }[], number] = await tx.query(
      `update renewal_info i set ask_at = $2 from certificate c where c.id = i.certificate_id and i.certificate_id in (
         select certificate_id from renewal_info where ask_at <= $1 order by ask_at limit $3 for update skip locked)
       returning c.id, c.authority_id as "authorityId"`,
      [now, again, limit],
    );
    return rows[0];
  }
}
