import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';

/** Every query on the names that certificates carry: one row per name, however many certificates have it. */
@Injectable()
export class DomainRepository {
  /**
   * Links a certificate to its names (lower case). Names are inserted in sorted order, so that concurrent requests cannot
   * deadlock; one that another transaction has just committed is invisible to the first statement and found by the second.
   */
  async link(tx: Tx, certificateId: number, names: readonly string[]): Promise<void> {
    const wanted = [...new Set(names)].sort();
    if (wanted.length === 0) return;
    const linked: unknown[] = await tx.query(
      `with wanted as (select unnest($2::text[]) as name),
            made as (insert into domain (name) select name from wanted on conflict (name) do nothing returning id),
            known as (select id from domain where name = any($2))
       insert into certificate_domain (certificate_id, domain_id)
       select $1, id from (select id from made union select id from known) as ids
       returning domain_id`,
      [certificateId, wanted],
    );
    if (linked.length === wanted.length) return;
    await tx.query(
      `insert into certificate_domain (certificate_id, domain_id)
       select $1, id from domain where name = any($2) on conflict do nothing`,
      [certificateId, wanted],
    );
  }
}
