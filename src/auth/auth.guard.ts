import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Config } from '../platform/config.js';
import type { Actor, RequestWithActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { lacking, permissionsOf } from '../roles/permission.js';
import { accessRule } from './access-rule.js';
import { permissionsOfKey } from './api-key-scope.js';
import { ApiKeyUse } from './api-key-use.js';
import { type Bearer, Bearers } from './bearers.js';
import { KeyRefusals } from './key-refusals.js';

/** The one guard of every route. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly bearers: Bearers,
    private readonly use: ApiKeyUse,
    private readonly refusals: KeyRefusals,
    private readonly config: Config,
  ) {}

  /**
   * Throws `unauthenticated` or `forbidden`; a route without a rule is forbidden to everyone. Where the rule says so,
   * `forbidden` is left to whoever reads the body.
   */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule = accessRule(context.getHandler(), context.getClass());
    if (rule && 'public' in rule) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & RequestWithActor>();
    const actor = await this.actorOf(request);
    const refusal =
      rule && actor.permissions.has(rule.permission)
        ? undefined
        : new Problem('forbidden', rule ? lacking(rule.permission, actor) : 'This needs a right that nobody has.');
    if (refusal && rule?.permission === 'key:read') await this.refusals.note(actor, idIn(request.params));
    if (refusal && !rule?.afterBody) throw refusal;
    request.refusal = refusal;
    request.actor = actor;
    return true;
  }

  private async actorOf(request: FastifyRequest): Promise<Actor> {
    const bearer = await this.bearers.read(tokenIn(request.headers.authorization));
    const {
      account: { id: userId, username, email, roles },
      key,
    } = bearer;
    if (key) this.use.note(key);
    return {
      userId,
      username,
      email,
      roles,
      permissions: this.permissionsOf(bearer),
      apiKey: key && { id: key.id, name: key.name },
      address: request.ip,
      requestId: request.id,
    };
  }

  private permissionsOf({ account: { roles }, key }: Bearer): Actor['permissions'] {
    const ofUser = permissionsOf(
      roles.map(({ name }) => name),
      this.config,
    );
    return key ? permissionsOfKey(ofUser, key.scopes) : ofUser;
  }
}

/** What is no id at all counts as 0. */
function idIn(params: unknown): number {
  const id = Number((params as { id?: string }).id);
  return Number.isSafeInteger(id) ? id : 0;
}

/** The second word, whatever the first is: clients of Lemur send `Basic <token>` too. */
function tokenIn(header: string | undefined): string {
  if (!header) throw new Problem('unauthenticated', 'Missing authorization header.');
  const [, token, more] = header.trim().split(/\s+/, 3);
  if (token === undefined || more !== undefined) throw new Problem('unauthenticated', 'Expected a scheme and a token.');
  return token;
}
