import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Authenticator } from '../platform/http/surface.js';
import { permissionsOf } from '../roles/permission.js';
import { permissionsOfKey } from './api-key-scope.js';
import { ApiKeyUse } from './api-key-use.js';
import { type Bearer, Bearers } from './bearers.js';

/** Authenticates requests by a session token or an API key in the header `Authorization`. */
@Injectable()
export class BearerAuthenticator implements Authenticator {
  constructor(
    private readonly bearers: Bearers,
    private readonly use: ApiKeyUse,
    private readonly config: Config,
  ) {}

  async actorOf(request: FastifyRequest): Promise<Actor> {
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

/** The second word of the header. The scheme is ignored, because clients of Lemur send `Basic <token>` too. */
function tokenIn(header: string | undefined): string {
  if (!header) throw new Problem('unauthenticated', 'Missing authorization header.');
  const [, token, more] = header.trim().split(/\s+/, 3);
  if (token === undefined || more !== undefined) throw new Problem('unauthenticated', 'Expected a scheme and a token.');
  return token;
}
