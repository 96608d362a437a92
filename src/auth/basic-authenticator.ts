import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import type { Actor } from '../platform/http/actor.js';
import { Problem } from '../platform/http/problem.js';
import type { Authenticator } from '../platform/http/surface.js';
import type { Account } from '../roles/account.repository.js';
import { permissionsOf } from '../roles/permission.js';
import type { User } from '../users/user.entity.js';
import { Bearers } from './bearers.js';
import { type Credentials, SignIn } from './sign-in.js';

/** How long a password is not checked again: a check costs 19 MiB and some ten milliseconds. */
const keptMs = 60_000;
const mostKept = 1000;
/** As long as what POST /auth/login takes. */
const longest = { name: 255, password: 1024 };

/** A check of a name and a password that is under way or has succeeded. */
interface Check {
  /** Milliseconds since 1970. */
  at: number;
  holder: Promise<Pick<User, 'id' | 'tokenEpoch'>>;
}

/**
 * Authenticates each request by the user name and password in it (RFC 7617), with the limits on failures of a sign-in.
 * It opens no session. A password that was right is not checked again for a minute, unless the sessions of its user
 * have been ended since: by a change of the password, deactivation, or signing out.
 */
@Injectable()
export class BasicAuthenticator implements Authenticator {
  /** By the HMAC of name and password, so that memory holds neither. */
  private readonly checks = new Map<string, Check>();
  private readonly secret = randomBytes(32);

  constructor(
    private readonly signIn: SignIn,
    private readonly bearers: Bearers,
    private readonly config: Config,
    private readonly clock: Clock,
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
    const key = createHmac('sha256', this.secret)
      .update(JSON.stringify([credentials.name, credentials.password]))
      .digest('base64');
    const { id, tokenEpoch } = await this.check(key, credentials);
    const account = await this.bearers.inEpoch(id, tokenEpoch);
    if (account) return account;
    this.checks.delete(key);
    const again = await this.check(key, credentials);
    const present = await this.bearers.inEpoch(again.id, again.tokenEpoch);
    if (present) return present;
    throw new Problem('unauthenticated', 'The sessions of the user have just been ended.');
  }

  /** Requests at the same time share one check, so that they count as one attempt. */
  private check(key: string, credentials: Credentials): Check['holder'] {
    const now = this.clock.now().getTime();
    const known = this.checks.get(key);
    if (known && Math.abs(now - known.at) < keptMs) return known.holder;
    const holder = this.signIn.identify(credentials).then((identified) => identified.holder);
    const check = { at: now, holder };
    this.checks.delete(key);
    const [oldest] = this.checks.keys();
    if (this.checks.size >= mostKept && oldest !== undefined) this.checks.delete(oldest);
    this.checks.set(key, check);
    return holder.catch((error: unknown) => {
      if (this.checks.get(key) === check) this.checks.delete(key);
      throw error;
    });
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
