import { Injectable } from '@nestjs/common';
import type { Tx } from '../../platform/db/database.js';

/** A certificate that endpoints should not serve, and those of them of which nobody was told yet. */
export interface ServedStill {
  certificateId: number;
  reason: 'revoked' | 'superseded' | 'expiring';
  endpointIds: number[];
}

/** SQL: when certificate `c` is about to expire, by the rule of `leadMs` with a lead of $6 seconds. */
const expiresSoonAt = `c.not_after - case when make_interval(secs => $6) > (c.not_after - c.not_before) / 2
  then (c.not_after - c.not_before) / 4 else make_interval(secs => $6) end`;

/** Every query on `still_served`: what people were told of certificates that endpoints should not serve. */
@Injectable()
export class StillServedRepository {
  /**
   * Records the certificates that this sync has seen and should not have, and returns those that are new, by id.
   * Forgets what was recorded before `toldBefore` of endpoints that this sync has seen with another certificate: if it
   * comes back, it is new. `replacedBefore`: until when a certificate was replaced to count. `leadS`: how long before
   * its end it counts.
   */
  claim(
    tx: Tx,
    { sourceId, syncId }: { sourceId: number; syncId: number },
    { now, toldBefore, replacedBefore, leadS }: { now: Date; toldBefore: Date; replacedBefore: Date; leadS: number },
  ): Promise<ServedStill[]> {
    return tx.query(
      `with served as (
         select e.id, e.certificate_id, case
           when c.state = 'revoked' then 'revoked'
           when c.state = 'superseded' and coalesce(c.superseded_at, '-infinity') <= $4 then 'superseded'
           when c.state = 'issued' and c.notify and $6 > 0 and $3::timestamptz >= ${expiresSoonAt} then 'expiring'
           end as reason
         from endpoint e join certificate c on c.id = e.certificate_id
         where e.source_id = $1 and e.sync_id = $2 and c.deleted_at is null
       ), forgotten as (
         delete from still_served s using endpoint e
         where e.source_id = $1 and e.sync_id = $2 and s.endpoint_id = e.id and s.certificate_id <> e.certificate_id
           and s.told_at <= $7
       ), told as (
         insert into still_served (endpoint_id, certificate_id, reason, told_at)
         select id, certificate_id, reason, $5 from served where reason is not null order by id
         on conflict do nothing returning endpoint_id, certificate_id, reason
       )
       select certificate_id as "certificateId", reason, array_agg(endpoint_id order by endpoint_id) as "endpointIds"
       from told group by certificate_id, reason order by 1, 2`,
      [sourceId, syncId, now, replacedBefore, now, leadS, toldBefore],
    );
  }
}
