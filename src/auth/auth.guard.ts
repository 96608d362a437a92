import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Database } from '../platform/db/database.js';
import type { Actor, RequestWithActor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import { Gathered } from '../platform/gathered.js';
import { type Account, AccountRepository } from '../roles/account.repository.js';
import { permissionsOf } from '../roles/permission.js';
import { accessRule } from './access-rule.js';
import { Tokens } from './tokens.js';

/** The one guard of every route. Nothing is remembered between requests: a right that is taken away is gone with the next one. */
@Injectable()
export class AuthGuard implements CanActivate {
  private readonly readings = new Gathered<number, Account | null>((ids) => this.accounts.findMany(this.db.single, ids));

  constructor(
    private readonly tokens: Tokens,
    private readonly db: Database,
    private readonly accounts: AccountRepository,
  ) {}

  /** Throws `unauthenticated` or `forbidden`; a route without a rule is forbidden to everyone. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rule = accessRule(context.getHandler(), context.getClass());
    if (rule && 'public' in rule) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & RequestWithActor>();
    const actor = await this.actorOf(request);
    if (!rule || !actor.permissions.has(rule.permission)) throw new Problem('forbidden', `This needs ${rule?.permission ?? 'a right that nobody has'}.`);
    request.actor = actor;
    return true;
  }

  private async actorOf(request: FastifyRequest): Promise<Actor> {
    const { userId, epoch } = this.tokens.read(tokenIn(request.headers.authorization));
    const account = await this.readings.run(userId);
    if (!account?.active) throw new Problem('unauthenticated', 'The user is not active.');
    if (account.tokenEpoch !== epoch) throw new Problem('unauthenticated', 'The token has been revoked.');
    const { username, email, roles } = account;
    const permissions = permissionsOf(roles.map(({ name }) => name));
    return { userId, username, email, roles, permissions, apiKey: null, address: request.ip, requestId: request.id };
  }
}

/** The second word, whatever the first is: clients of Lemur send `Basic <token>` too. */
function tokenIn(header: string | undefined): string {
  if (!header) throw new Problem('unauthenticated', 'Missing authorization header.');
  const [, token, more] = header.trim().split(/\s+/, 3);
  if (token === undefined || more !== undefined) throw new Problem('unauthenticated', 'Expected a scheme and a token.');
  return token;
}
