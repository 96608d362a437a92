import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';

/** A certificate and one of its names, lower case. */
export interface NameOfCertificate { certificateId: number; name: string }

const linkAll = prepared('domain_link', `
  with wanted as (select * from unnest($1::int[], $2::text[]) as w(certificate_id, name)),
       made as (insert into domain (name) select distinct name from wanted order by name on conflict (name) do nothing returning id, name),
       known as (select id, name from domain where name = any($2))
  insert into certificate_domain (certificate_id, domain_id)
  select w.certificate_id, d.id from wanted w join (table made union all table known) as d using (name)
  returning domain_id`);

const linkRest = prepared('domain_link_rest', `
  insert into certificate_domain (certificate_id, domain_id)
  select w.certificate_id, d.id from unnest($1::int[], $2::text[]) as w(certificate_id, name) join domain d using (name)
  on conflict do nothing`);

/** Every query on the names that certificates carry: one row per name, however many certificates have it. */
@Injectable()
export class DomainRepository {
  /**
   * Links certificates to their names, each pair once. Names are inserted in sorted order, so that concurrent requests cannot
   * deadlock; one that another transaction has just committed is invisible to the first statement and found by the second.
   */
  async link(tx: Tx, pairs: readonly NameOfCertificate[]): Promise<void> {
    if (pairs.length === 0) return;
    const columns = [pairs.map((pair) => pair.certificateId), pairs.map((pair) => pair.name)];
    const linked = await linkAll(tx, columns);
    if (linked.length < pairs.length) await linkRest(tx, columns);
  }
}
