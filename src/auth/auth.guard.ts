import { type CanActivate, type ExecutionContext, Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Config } from '../platform/config.js';
import type { Actor, RequestWithActor } from '../platform/http/actor.js';
import { demandOwnPage } from '../platform/http/own-page.js';
import { Problem } from '../platform/http/problem.js';
import type { Authenticator } from '../platform/http/surface.js';
import { Surfaces } from '../platform/http/surfaces.js';
import { lacking } from '../roles/permission.js';
import { type AccessRule, accessRule } from './access-rule.js';
import { KeyRefusals } from './key-refusals.js';

/** The guard of every route. The surface of a request names its authenticator. */
@Injectable()
export class AuthGuard implements CanActivate, OnModuleInit {
  private readonly authenticators = new Map<symbol, Authenticator>();

  constructor(
    private readonly surfaces: Surfaces,
    private readonly container: ModuleRef,
    private readonly refusals: KeyRefusals,
    private readonly config: Config,
  ) {}

  /** Throws at boot if the authenticator of a surface is missing. */
  onModuleInit(): void {
    for (const { authenticator } of this.surfaces.all)
      if (authenticator !== null)
        this.authenticators.set(authenticator, this.container.get<Authenticator>(authenticator, { strict: false }));
  }

  /**
   * Throws `unauthenticated` or `forbidden`. A route without a rule is forbidden to everyone. With `afterBody`,
   * `forbidden` is thrown after the body has been validated.
   */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule = accessRule(context.getHandler(), context.getClass());
    if (rule && 'public' in rule) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & RequestWithActor>();
    const first = await this.actorOf(request, rule?.fromKept);
    // A kept actor may not know of a right given a moment ago.
    const actor = refusalOf(rule, first) && first.kept ? await first.kept.again() : first;
    const refusal = refusalOf(rule, actor);
    if (refusal && rule?.permission === 'key:read')
      await this.refusals.note(actor, { targetType: 'certificate', targetId: idIn(request.params) });
    if (refusal && !rule?.afterBody) throw refusal;
    request.refusal = refusal;
    request.actor = actor.kept ? { ...actor, kept: rechecked(actor.kept, rule) } : actor;
    return true;
  }

  private async actorOf(request: FastifyRequest, mayBeKept = false): Promise<Actor> {
    const { authenticator } = this.surfaces.of(request);
    const found = authenticator === null ? undefined : this.authenticators.get(authenticator);
    if (found === undefined) throw new Problem('unauthenticated', 'This route does not support authentication.');
    if (found.isSentUnasked) demandOwnPage(request, this.config.publicUrl);
    return found.actorOf(request, mayBeKept);
  }
}

type PermissionRule = Exclude<AccessRule, { public: true }>;

function refusalOf(rule: PermissionRule, actor: Actor): Problem | undefined {
  if (rule && actor.permissions.has(rule.permission)) return undefined;
  return new Problem('forbidden', rule ? lacking(rule.permission, actor) : 'No user may use this route.');
}

/** Whoever reads the actor again learns whether the route is still open to it. */
function rechecked({ version, again }: NonNullable<Actor['kept']>, rule: PermissionRule): Actor['kept'] {
  return {
    version,
    again: async (mayBeKept) => {
      const actor = await again(mayBeKept);
      const refusal = refusalOf(rule, actor);
      if (refusal) throw refusal;
      return actor.kept ? { ...actor, kept: rechecked(actor.kept, rule) } : actor;
    },
  };
}

/** The id in the path, which RouteCheck demands; 0 if it is no number. */
function idIn(params: unknown): number {
  const id = Number((params as { id?: string }).id);
  return Number.isSafeInteger(id) ? id : 0;
}
