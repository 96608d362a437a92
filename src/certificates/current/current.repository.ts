import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';
import { isReplaced } from '../certificate-scope.js';
import { lineIds } from '../line-ids.js';

/** When an API key last fetched a certificate, to within an hour. */
export interface Fetch {
  apiKeyId: number;
  fetchedAt: Date;
}

/** Every query on the current certificate of a line, and on who fetched it. */
@Injectable()
export class CurrentRepository {
  /**
   * The newest certificate that is issued and valid at `now` among all predecessors and successors of the certificate
   * with this name; null for none. One without a successor comes first, whatever its dates: a CA may backdate. One that
   * has a successor is the newest while that is not valid yet, or no longer.
   */
  async find(tx: Tx, name: string, now: Date): Promise<number | null> {
    const older = lineIds('older', 'select id from certificate where name = $1');
    const rows: { id: number }[] = await tx.query(
      `select c.id from certificate c where c.id = any(${lineIds('newer', `select unnest(${older})`)})
         and c.state = 'issued' and c.deleted_at is null and c.not_before <= $2 and c.not_after > $2
       order by ${isReplaced}, c.not_before desc, c.id desc limit 1`,
      [name, now],
    );
    return rows[0]?.id ?? null;
  }

  /** At most one write an hour for each key and certificate. */
  async noteFetch(tx: Tx, certificateId: number, apiKeyId: number, now: Date): Promise<void> {
    await tx.query(
      `insert into certificate_fetch (certificate_id, api_key_id, fetched_at) values ($1, $2, $3)
       on conflict (certificate_id, api_key_id) do update set fetched_at = excluded.fetched_at
         where certificate_fetch.fetched_at < excluded.fetched_at - interval '1 hour'`,
      [certificateId, apiKeyId, now],
    );
  }

  /** The last first. */
  fetchesOf(tx: Tx, certificateId: number): Promise<Fetch[]> {
    return tx.query(
      `select api_key_id as "apiKeyId", fetched_at as "fetchedAt" from certificate_fetch
       where certificate_id = $1 order by fetched_at desc, api_key_id`,
      [certificateId],
    );
  }
}
