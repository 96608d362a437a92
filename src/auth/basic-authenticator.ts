import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Authenticator } from '../platform/http/surface.js';
import type { Account } from '../roles/account.repository.js';
import { permissionsOf } from '../roles/permission.js';
import { BasicChecks } from './basic-checks.js';
import { Bearers } from './bearers.js';
import type { Credentials, SignedIn } from './sign-in.js';

/** As long as what POST /auth/login takes. */
const longest = { name: 255, password: 1024 };

/**
 * Authenticates each request by the user name and password in it (RFC 7617), with the limits on failures of a sign-in.
 * It opens no session. A password that was right is not checked again for a minute, unless the sessions of its user
 * have been ended since: by a change of the password, deactivation, or signing out.
 */
@Injectable()
export class BasicAuthenticator implements Authenticator {
  readonly isSentUnasked = true;

  constructor(
    private readonly checks: BasicChecks,
    private readonly bearers: Bearers,
    private readonly config: Config,
  ) {}

  async actorOf(request: FastifyRequest): Promise<Actor> {
    const { ip: address, id: requestId } = request;
    const account = await this.accountOf({ ...credentialsIn(request.headers.authorization), address, requestId });
    const { id: userId, username, email, roles } = account;
    const names = roles.map(({ name }) => name);
    return {
      userId,
      username,
      email,
      roles,
      permissions: permissionsOf(names, this.config),
      apiKey: null,
      address,
      requestId,
    };
  }

  private async accountOf(credentials: Credentials): Promise<Account> {
    const known = this.checks.of(credentials);
    const account = await this.presentOf(await known.holder);
    if (account) return account;
    known.state = 'ended';
    const again = await this.checks.of(credentials).holder;
    const present = await this.bearers.inEpoch(again.id, again.tokenEpoch);
    if (present) return present;
    throw new Problem('unauthenticated', 'The sessions of the user have just been ended.');
  }

  /** Null also when the user is not active: the check that follows refuses and records that. */
  private async presentOf({ id, tokenEpoch }: SignedIn): Promise<Account | null> {
    try {
      return await this.bearers.inEpoch(id, tokenEpoch);
    } catch (error) {
      if (error instanceof Problem && error.code === 'unauthenticated') return null;
      throw error;
    }
  }
}

/** Throws Problem `unauthenticated`. The text is UTF-8; a password may have colons. */
function credentialsIn(header: string | undefined): Pick<Credentials, 'name' | 'password'> {
  if (!header) throw new Problem('unauthenticated', 'Missing authorization header.');
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header) ?? [];
  const [, name = '', password = ''] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  const isOdd = name.length > longest.name || password.length > longest.password || name.includes('\0');
  if (name.trim() === '' || password === '' || isOdd)
    throw new Problem('unauthenticated', 'Expected Basic with a user name and a password.');
  return { name: name.trim(), password };
}
