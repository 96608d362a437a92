import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/db/database.js';
import { violatedConstraint } from '../platform/db/database.js';
import { whole, words } from '../platform/db/list-filter.js';
import { type ListSource, listPage } from '../platform/db/list-page.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { DomainRule } from './domain-rule.entity.js';
import type { DomainRuleView } from './domain-rule.schema.js';

type RuleValues = Pick<DomainRule, 'roleId' | 'authorityId' | 'patterns' | 'description'>;

/** A snapshot of everything that decides about names; each change raises `version`. */
export interface StoredPolicy {
  version: number;
  sensitive: string[];
  rules: Pick<DomainRule, 'roleId' | 'authorityId' | 'patterns'>[];
}

const listed: ListSource = {
  columns: `d.id, case when r.id is null then null else json_build_object('id', r.id, 'name', r.name) end as role,
    d.authority_id as "authorityId", d.patterns, d.description`,
  from: 'domain_rule d left join role r on r.id = d.role_id',
  sorts: {
    id: { sql: 'd.id', type: 'int' },
    role: { sql: `coalesce(lower(r.name), '')`, type: 'text' },
    authorityId: { sql: 'coalesce(d.authority_id, 0)', type: 'int' },
  },
  filters: {
    id: whole('d.id'),
    role: words('r.name'),
    authorityId: whole('d.authority_id'),
    pattern: words(`array_to_string(d.patterns, ' ')`),
    description: words('d.description'),
  },
};

/** Every query on domain rules and on the version of the domain policy. */
@Injectable()
export class DomainRuleRepository {
  list(tx: Tx, query: PageQuery): Promise<Page<DomainRuleView>> {
    return listPage(tx, listed, query);
  }

  /** Throws `not-found`. */
  async get(tx: Tx, id: number): Promise<DomainRuleView> {
    const {
      items: [found],
    } = await this.list(tx, { page: 1, count: 1, filter: { field: 'id', value: String(id) } });
    if (!found) throw new Problem('not-found', `There is no domain rule ${id}.`);
    return found;
  }

  /** Throws `invalid-request` when the authority does not exist. */
  async add(tx: Tx, values: RuleValues): Promise<number> {
    const { identifiers } = await orUnknownAuthority(tx.insert(DomainRule, values), values);
    return (identifiers as [{ id: number }])[0].id;
  }

  /** Throws as `add`. */
  async change(tx: Tx, id: number, values: RuleValues): Promise<void> {
    await orUnknownAuthority(tx.update(DomainRule, id, values), values);
  }

  async remove(tx: Tx, id: number): Promise<void> {
    await tx.delete(DomainRule, id);
  }

  async version(tx: Tx): Promise<number> {
    const [{ version }] = await tx.query<[{ version: number }]>('select version from domain_policy');
    return version;
  }

  /** Call this in the transaction of every change to what `policy` reads. Concurrent changes wait for one another. */
  async raiseVersion(tx: Tx): Promise<void> {
    await tx.query('update domain_policy set version = version + 1');
  }

  /** One statement, so that version and content match. */
  async policy(tx: Tx): Promise<StoredPolicy> {
    const [policy] = await tx.query<[StoredPolicy]>(
      `select version, array(select name from domain where sensitive) as sensitive,
         (select coalesce(json_agg(json_build_object('roleId', role_id, 'authorityId', authority_id, 'patterns',
         patterns)), '[]') from domain_rule) as rules
       from domain_policy`,
    );
    return policy;
  }
}

async function orUnknownAuthority<T>(writing: Promise<T>, { authorityId }: RuleValues): Promise<T> {
  try {
    return await writing;
  } catch (error) {
    if (violatedConstraint(error) === 'domain_rule_authority')
      throw invalid('authorityId', `There is no authority ${authorityId}.`);
    throw error;
  }
}
