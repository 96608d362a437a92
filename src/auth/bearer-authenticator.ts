import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { type Kept, KeptFacts } from '../platform/db/kept-facts.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Authenticator } from '../platform/http/surface.js';
import { permissionsOf } from '../roles/permission.js';
import { permissionsOfKey } from './api-key-scope.js';
import { ApiKeyUse } from './api-key-use.js';
import { type Bearer, Bearers } from './bearers.js';

/** What a token says of its sender while nothing changes. */
interface Known extends Pick<Bearer, 'key' | 'endsAt'> {
  actor: Omit<Actor, 'address' | 'requestId'>;
}

/** Authenticates requests by a session token or an API key in the header `Authorization`. */
@Injectable()
export class BearerAuthenticator implements Authenticator {
  constructor(
    private readonly bearers: Bearers,
    private readonly use: ApiKeyUse,
    private readonly config: Config,
    private readonly facts: KeptFacts,
    private readonly clock: Clock,
  ) {}

  async actorOf(request: FastifyRequest, mayBeKept = false): Promise<Actor> {
    const token = tokenIn(request.headers.authorization);
    const kept = mayBeKept ? await this.kept(token) : null;
    const { actor, key } = kept?.value ?? (await this.known(token));
    if (key) this.use.note(key);
    return {
      address: request.ip,
      requestId: request.id,
      ...actor,
      ...(kept && { kept: { version: kept.version, again: (mayBeKept) => this.actorOf(request, mayBeKept) } }),
    };
  }

  /** Null once the token has expired. Keeps a hash, not the token. */
  private async kept(token: string): Promise<Kept<Known> | null> {
    const kept = await this.facts.of(`token ${hash('sha256', token, 'base64')}`, () => this.known(token));
    const { endsAt } = kept.value;
    return endsAt && endsAt <= this.clock.now() ? null : kept;
  }

  private async known(token: string): Promise<Known> {
    const bearer = await this.bearers.read(token);
    const {
      account: { id: userId, username, email, roles },
      key,
      endsAt,
    } = bearer;
    const permissions = this.permissionsOf(bearer);
    const apiKey = key && { id: key.id, name: key.name };
    return { actor: { userId, username, email, roles, permissions, apiKey }, key, endsAt };
  }

  private permissionsOf({ account: { roles }, key }: Bearer): Actor['permissions'] {
    const ofUser = permissionsOf(
      roles.map(({ name }) => name),
      this.config,
    );
    return key ? permissionsOfKey(ofUser, key.scopes) : ofUser;
  }
}

/** The second word of the header. The scheme is ignored, because clients of Lemur send `Basic <token>` too. */
function tokenIn(header: string | undefined): string {
  if (!header) throw new Problem('unauthenticated', 'Missing authorization header.');
  const [, token, more] = header.trim().split(/\s+/, 3);
  if (token === undefined || more !== undefined) throw new Problem('unauthenticated', 'Expected a scheme and a token.');
  return token;
}
