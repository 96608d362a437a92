import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Config } from '../platform/config.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page } from '../platform/http/page.js';
import { invalid, Problem } from '../platform/http/problem.js';
import { mayUseSensitiveNames } from '../roles/permission.js';
import { DomainPolicy } from './domain-policy.js';
import { DomainRepository } from './domain.repository.js';
import { DomainRuleRepository } from './domain-rule.repository.js';
import type { DomainChange, DomainQuery, DomainView, NewDomain } from './domain.schema.js';

/** The use cases on domains: the names that certificates carry, and which of them are sensitive. */
@Injectable()
export class DomainService {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
    private readonly domains: DomainRepository,
    private readonly rules: DomainRuleRepository,
    private readonly policy: DomainPolicy,
    private readonly audit: Audit,
  ) {}

  list(query: DomainQuery): Promise<Page<DomainView>> {
    return this.domains.list(this.db.single, query);
  }

  get(id: number): Promise<DomainView> {
    return this.domains.get(this.db.single, id);
  }

  /** For an existing name, can only mark it as sensitive. Throws `conflict` when nothing would change. */
  create(actor: Actor, request: NewDomain): Promise<DomainView> {
    if (request.sensitive) this.demandMarking(actor);
    return this.changing(async (tx) => {
      const id = await this.domains.add(tx, request);
      if (id === null) return this.markKnown(tx, actor, request);
      if (request.sensitive) await this.rules.raiseVersion(tx);
      await this.audit.record(tx, actor, {
        action: 'domain.created',
        targetType: 'domain',
        targetId: id,
        after: request,
      });
      return { id, ...request };
    });
  }

  update(actor: Actor, id: number, { name, sensitive }: DomainChange): Promise<DomainView> {
    this.demandMarking(actor);
    return this.changing(async (tx) => {
      const before = await this.mark(tx, actor, id, sensitive);
      if (name !== undefined && name !== before.name)
        throw invalid('name', `Domain ${id} is ${before.name}: a domain cannot be renamed.`);
      return { ...before, sensitive };
    });
  }

  private async markKnown(tx: Tx, actor: Actor, { name, sensitive }: NewDomain): Promise<DomainView> {
    const id = (await this.domains.findId(tx, name)) ?? 0;
    const known = new Problem('conflict', `${name} exists already as domain ${id}: change that one.`);
    if (!sensitive) throw known;
    const before = await this.mark(tx, actor, id, true);
    if (before.sensitive) throw known;
    return { ...before, sensitive };
  }

  /** Returns the previous values. */
  private async mark(tx: Tx, actor: Actor, id: number, sensitive: boolean): Promise<DomainView> {
    const before = await this.domains.setSensitive(tx, id, sensitive);
    await this.rules.raiseVersion(tx);
    await this.audit.record(tx, actor, {
      action: 'domain.changed',
      targetType: 'domain',
      targetId: id,
      before: { name: before.name, sensitive: before.sensitive },
      after: { sensitive },
    });
    return before;
  }

  private demandMarking(actor: Actor): void {
    if (mayUseSensitiveNames(actor, this.config.sensitiveDomainRoles)) return;
    throw new Problem(
      'forbidden',
      'Only administrators and holders of SENSITIVE_DOMAIN_ROLES may mark names as sensitive.',
    );
  }

  private async changing<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.db.write(work);
    this.policy.forget();
    return result;
  }
}
