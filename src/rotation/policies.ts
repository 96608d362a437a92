import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { defineJob } from '../jobs/define-job.js';
import { Config } from '../platform/config.js';
import { Database } from '../platform/db/database.js';
import type { Actor } from '../platform/http/actor.js';
import type { Page, PageQuery } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';
import { defaultPolicyName, type RotationPolicy } from './policy.entity.js';
import { PolicyRepository } from './policy.repository.js';
import { type PolicyRequest, policyView } from './policy.schema.js';

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
    private readonly repository: PolicyRepository,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const values = {
      name: defaultPolicyName,
      description: 'For certificates without another policy.',
      days: this.config.defaultRotationDays,
      lifetimeFraction: null,
    };
    await this.db.write((tx) => this.repository.add(tx, values, true));
  }

  list(query: PageQuery): Promise<Page<RotationPolicy>> {
    return this.repository.list(this.db.single, query);
  }

  get(id: number): Promise<RotationPolicy> {
    return this.repository.get(this.db.single, id);
  }

  create(actor: Actor, request: PolicyRequest): Promise<RotationPolicy> {
    return this.db.write(async (tx) => {
      const id = (await this.repository.add(tx, valuesOf(request))) ?? 0;
      await this.audit.record(tx, actor, {
        action: 'policy.created',
        targetType: 'policy',
        targetId: id,
        after: request,
      });
      return this.repository.get(tx, id);
    });
  }

  update(actor: Actor, id: number, request: PolicyRequest): Promise<RotationPolicy> {
    return this.db.write(async (tx) => {
      const policy = await this.repository.lock(tx, id);
      const before = policyView(policy);
      if (policy.name === defaultPolicyName && request.name !== defaultPolicyName)
        throw new Problem('conflict', 'The policy "default" cannot be renamed.');
      Object.assign(policy, valuesOf(request));
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
  }

  async remove(actor: Actor, id: number): Promise<void> {
    await this.db.write(async (tx) => {
      const policy = await this.repository.lock(tx, id);
      if (policy.name === defaultPolicyName) throw new Problem('in-use', 'The policy "default" cannot be deleted.');
      await this.repository.remove(tx, policy);
      await this.audit.record(tx, actor, {
        action: 'policy.deleted',
        targetType: 'policy',
        targetId: id,
        before: policyView({ ...policy, id }),
      });
    });
  }
}

function valuesOf(request: PolicyRequest): Pick<RotationPolicy, 'name' | 'description' | 'days' | 'lifetimeFraction'> {
  return {
    name: request.name,
    description: request.description ?? null,
    days: request.days ?? null,
    lifetimeFraction: request.lifetimeFraction ?? null,
  };
}
