import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { defineJob } from '../jobs/define-job.js';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import { dependentsOf, refuseInUse } from '../platform/db/dependents.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { defaultPolicyName, type RotationPolicy } from './policy.entity.js';
import { PolicyRepository } from './policy.repository.js';
import { type PolicyRequest, policyValues, type PolicyView, policyView } from './policy.schema.js';

/**
 * Recomputes the renewal date of every certificate of a changed policy, from the id `after` on. `certificates/rotate`
 * handles it. */
export const replanPolicy = defineJob(
  'rotation.replan',
  z.strictObject({ policyId: z.int(), after: z.int().default(0) }),
  { concurrency: 1, timeoutS: 600 },
);

/** The use cases on rotation policies. Creates the policy `default` at the first start. */
@Injectable()
export class Policies implements OnApplicationBootstrap {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly repository: PolicyRepository,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const values = policyValues({
      name: defaultPolicyName,
      description: 'For certificates without another policy.',
      days: this.config.defaultRotationDays,
    });
    await this.db.write((tx) => this.repository.add(tx, values, true));
  }

  async list(query: PageQuery): Promise<Page<PolicyView>> {
    const page = await this.repository.list(this.db.single, query);
    return { ...page, items: page.items.map((policy) => this.view(policy)) };
  }

  async get(id: number): Promise<PolicyView> {
    return this.view(await this.repository.get(this.db.single, id));
  }

  async create(actor: Actor, request: PolicyRequest): Promise<PolicyView> {
    const policy = await this.db.write(async (tx) => {
      const id = (await this.repository.add(tx, policyValues(request))) ?? 0;
      await this.audit.record(tx, actor, {
        action: 'policy.created',
        targetType: 'policy',
        targetId: id,
        after: request,
      });
      return this.repository.get(tx, id);
    });
    return this.view(policy);
  }

  async update(actor: Actor, id: number, request: PolicyRequest): Promise<PolicyView> {
    const changed = await this.db.write(async (tx) => {
      const policy = await this.repository.lock(tx, id);
      const before = { id, ...policyValues(policy) };
      if (policy.name === defaultPolicyName && request.name !== defaultPolicyName)
        throw new Problem('conflict', 'The policy "default" cannot be renamed.');
      Object.assign(policy, policyValues(request));
      await this.repository.save(tx, policy);
      await replanPolicy.enqueue(tx, { policyId: id, after: 0 });
      await this.audit.record(tx, actor, {
        action: 'policy.updated',
        targetType: 'policy',
        targetId: id,
        before,
        after: request,
      });
      return policy;
    });
    return this.view(changed);
  }

  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const policy = await this.repository.lock(tx, id);
      if (policy.name === defaultPolicyName) throw new Problem('in-use', 'The policy "default" cannot be deleted.');
      const advice = 'Give them another policy first.';
      refuseInUse(await dependentsOf(tx, 'rotation_policy', id), `Policy ${policy.name}`, advice);
      await this.repository.remove(tx, policy);
      await this.audit.record(tx, actor, {
        action: 'policy.deleted',
        targetType: 'policy',
        targetId: id,
        before: { id, ...policyValues(policy) },
      });
    });
  }

  private view(policy: RotationPolicy): PolicyView {
    return policyView(policy, this.clock.now());
  }
}
