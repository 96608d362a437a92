import { Injectable } from '@nestjs/common';
import { Audit } from '../audit/audit.js';
import { Database, type Tx } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { RoleRepository } from '../roles/role.repository.js';
import { DomainPolicy } from './domain-policy.js';
import { DomainRuleRepository } from './domain-rule.repository.js';
import type { DomainRuleRequest, DomainRuleView } from './domain-rule.schema.js';

/** The use cases on domain rules: who may issue for which names. */
@Injectable()
export class DomainRuleService {
  constructor(
    private readonly db: Database,
    private readonly rules: DomainRuleRepository,
    private readonly roles: RoleRepository,
    private readonly policy: DomainPolicy,
    private readonly audit: Audit,
  ) {}

  list(query: PageQuery): Promise<Page<DomainRuleView>> {
    return this.rules.list(this.db.single, query);
  }

  get(id: number): Promise<DomainRuleView> {
    return this.rules.get(this.db.single, id);
  }

  create(actor: Actor, request: DomainRuleRequest): Promise<DomainRuleView> {
    return this.changing(async (tx) => {
      const id = await this.rules.add(tx, await this.valuesOf(tx, request));
      const after = await this.rules.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'domain-rule.created',
        targetType: 'domain-rule',
        targetId: id,
        after,
      });
      return after;
    });
  }

  update(actor: Actor, id: number, request: DomainRuleRequest): Promise<DomainRuleView> {
    return this.changing(async (tx) => {
      const before = await this.rules.get(tx, id);
      await this.rules.change(tx, id, await this.valuesOf(tx, request));
      const after = await this.rules.get(tx, id);
      await this.audit.record(tx, actor, {
        action: 'domain-rule.changed',
        targetType: 'domain-rule',
        targetId: id,
        before,
        after,
      });
      return after;
    });
  }

  async remove(actor: Actor, id: number): Promise<void> {
    await this.changing(async (tx) => {
      const before = await this.rules.get(tx, id);
      await this.rules.remove(tx, id);
      await this.audit.record(tx, actor, {
        action: 'domain-rule.deleted',
        targetType: 'domain-rule',
        targetId: id,
        before,
      });
    });
  }

  private async valuesOf(
    tx: Tx,
    { role, authorityId = null, patterns, description = null }: DomainRuleRequest,
  ): Promise<Parameters<DomainRuleRepository['add']>[1]> {
    return {
      roleId: role ? (await this.roles.locateOne(tx, 'role', role)).id : null,
      authorityId,
      patterns: [...new Set(patterns)],
      description,
    };
  }

  /** Raises the version first, so that concurrent changes run one after another. */
  private async changing<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const result = await this.db.write(async (tx) => {
      await this.rules.raiseVersion(tx);
      return work(tx);
    });
    this.policy.forget();
    return result;
  }
}
