import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { prepared } from '../platform/db/statement.js';

/** A certificate and one of its names, lower case. */
export interface NameOfCertificate { certificateId: number; name: string }

/** A name that certificates carry; `sensitive` ones are for few. */
export interface Domain { id: number; name: string; sensitive: boolean }
interface LinkedDomain extends Domain { certificateId: number }

const linkAll = prepared<LinkedDomain>('domain_link', `
  with wanted as (select * from unnest($1::int[], $2::text[]) as w(certificate_id, name)),
       made as (insert into domain (name) select distinct name from wanted order by name on conflict (name) do nothing returning id, name, sensitive),
       known as (select id, name, sensitive from domain where name = any($2)),
       found as (select w.certificate_id, d.* from wanted w join (table made union all table known) as d using (name)),
       linked as (insert into certificate_domain (certificate_id, domain_id) select certificate_id, id from found)
  select certificate_id as "certificateId", id, name, sensitive from found`);

const linkRest = prepared<LinkedDomain>('domain_link_rest', `
  with found as (
         select w.certificate_id, d.id, d.name, d.sensitive from unnest($1::int[], $2::text[]) as w(certificate_id, name) join domain d using (name)),
       linked as (insert into certificate_domain (certificate_id, domain_id) select certificate_id, id from found on conflict do nothing)
  select certificate_id as "certificateId", id, name, sensitive from found`);

/** Every query on the names that certificates carry: one row per name, however many certificates have it. */
@Injectable()
export class DomainRepository {
  /**
   * Links certificates to their names, each pair once. Names are inserted in sorted order, so that concurrent requests cannot
   * deadlock; one that another transaction has just committed is invisible to the first statement and found by the second.
   * Gives what each certificate is linked with, by its id.
   */
  async link(tx: Tx, pairs: readonly NameOfCertificate[]): Promise<ReadonlyMap<number, readonly Domain[]>> {
    if (pairs.length === 0) return new Map();
    const columns = [pairs.map((pair) => pair.certificateId), pairs.map((pair) => pair.name)];
    const linked = await linkAll(tx, columns);
    return byCertificate(linked.length < pairs.length ? await linkRest(tx, columns) : linked);
  }
}

function byCertificate(linked: readonly LinkedDomain[]): Map<number, Domain[]> {
  const domains = new Map<number, Domain[]>();
  for (const { certificateId, ...domain } of linked) domains.set(certificateId, [...domains.get(certificateId) ?? [], domain]);
  return domains;
}
