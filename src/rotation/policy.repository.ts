import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import { RotationPolicy } from './policy.entity.js';

const source: ListSource = {
  columns: `id, name, description, days, lifetime_fraction as "lifetimeFraction", spread_hours as "spreadHours",
    emergency_fraction as "emergencyFraction", maintenance`,
  from: 'rotation_policy',
  sorts: {
    id: { sql: 'id', type: 'int' },
    name: { sql: 'lower(name)', type: 'text' },
    days: { sql: 'coalesce(days, -1)', type: 'int' },
    lifetimeFraction: { sql: 'coalesce(lifetime_fraction, -1)', type: 'float8' },
  },
  filters: { id: whole('id'), name: words('name'), description: words('description'), days: whole('days') },
};

/** What a request says of a policy. */
export type PolicyValues = Omit<RotationPolicy, 'id' | 'createdAt'>;

/** Every query on rotation policies. */
@Injectable()
export class PolicyRepository {
  async get(tx: Tx, id: number): Promise<RotationPolicy> {
    const policy = await tx.findOneBy(RotationPolicy, { id });
    if (!policy) throw new Problem('not-found', `There is no rotation policy ${id}.`);
    return policy;
  }

  /** As `get`, locked until the transaction ends. */
  async lock(tx: Tx, id: number): Promise<RotationPolicy> {
    const policy = await tx.findOne(RotationPolicy, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!policy) throw new Problem('not-found', `There is no rotation policy ${id}.`);
    return policy;
  }

  /** Finds the policy that `field` of a request names, by id or by name (any case). */
  async resolve(tx: Tx, ref: { id?: number; name?: string }, field = 'rotationPolicy'): Promise<RotationPolicy> {
    const found = await tx
      .createQueryBuilder(RotationPolicy, 'p')
      .where(ref.id !== undefined ? 'p.id = :id' : 'lower(p.name) = lower(:name)', { id: ref.id, name: ref.name ?? '' })
      .getOne();
    if (!found) throw invalid(field, `Unable to locate rotation policy ${ref.id ?? ref.name ?? ''}.`);
    return found;
  }

  /** All policies, ordered by id. */
  all(tx: Tx): Promise<RotationPolicy[]> {
    return tx.find(RotationPolicy, { order: { id: 'ASC' } });
  }

  list(tx: Tx, query: PageQuery): Promise<Page<RotationPolicy>> {
    return listPage(tx, source, query);
  }

  /** Adds a policy; with `ifAbsent`, an existing policy of that name stays as it is. */
  async add(tx: Tx, values: PolicyValues, ifAbsent = false): Promise<number | null> {
    const { name, description, days, lifetimeFraction, spreadHours, emergencyFraction, maintenance } = values;
    const rows: { id: number }[] = await tx.query(
      `insert into rotation_policy (name, description, days, lifetime_fraction, spread_hours, emergency_fraction,
         maintenance)
       values ($1, $2, $3, $4, $5, $6, $7)
       ${ifAbsent ? 'on conflict (lower(name)) do nothing' : ''} returning id`,
      [
        name,
        description,
        days,
        lifetimeFraction,
        spreadHours,
        emergencyFraction,
        maintenance && JSON.stringify(maintenance),
      ],
    );
    return rows[0]?.id ?? null;
  }

  async save(tx: Tx, policy: RotationPolicy): Promise<void> {
    await tx.save(policy);
  }

  async remove(tx: Tx, policy: RotationPolicy): Promise<void> {
    await tx.remove(policy);
  }
}
