import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';

/** An authority that expires soon. `told`: the leads, in days, of the notices that are stored for this expiry. */
export interface EndingAuthority {
  id: number;
  owner: string;
  notBefore: Date;
  notAfter: Date;
  told: number[];
}

/** Finds the authorities that expire soon, with the notices that were written about it. */
@Injectable()
export class EndingAuthorityRepository {
  /** Active authorities that expire before `limit` and did not expire before `ended`. */
  list(tx: Tx, limit: Date, ended: Date): Promise<EndingAuthority[]> {
    return tx.query(
      `select a.id, a.owner, a.not_before as "notBefore", a.not_after as "notAfter",
         array(select (n.data->>'leadDays')::int from notice n where n.authority_id = a.id
         and (n.data->>'notAfterMs')::bigint = (extract(epoch from a.not_after) * 1000)::bigint) as told
       from authority a where a.active and a.not_after < $1 and a.not_after > $2 order by a.id`,
      [limit, ended],
    );
  }
}
