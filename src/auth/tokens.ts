import { Inject, Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Problem } from '../platform/http/problem.js';
import { TokenKeys } from './token-keys.js';

const inSeconds = (s: number): Date => new Date(s * 1000);
const UserId = z
  .string()
  .regex(/^[1-9]\d{0,9}$/)
  .transform(Number);
const Session = z
  .object({ sub: UserId, epoch: z.int().min(0), exp: z.int() })
  .transform(({ sub, epoch, exp }) => ({ userId: sub, epoch, endsAt: inSeconds(exp) }));
// Without `sub`, so that it is no session.
const Refresh = z
  .object({ refreshes: UserId, epoch: z.int().min(0), exp: z.int() })
  .transform(({ refreshes, epoch, exp }) => ({ userId: refreshes, epoch, endsAt: inSeconds(exp) }));
// An API key from Lemur. Old ones have a number in `sub`; one that never expires has no `exp`.
const LemurKey = z
  .object({
    sub: z.union([z.int().min(1), UserId]),
    aid: z.int().min(1).max(2_147_483_647),
    exp: z.int().optional(),
  })
  .transform(({ sub, aid, exp }) => ({
    legacyUserId: sub,
    legacyId: aid,
    endsAt: exp === undefined ? null : inSeconds(exp),
  }));

/** The user of a session, and the user's token epoch when the session started. */
export interface TokenHolder {
  userId: number;
  epoch: number;
}

/** A session, and when its token expires. */
export interface ReadSession extends TokenHolder {
  endsAt: Date;
}

/** An API key from Lemur and its user, by their ids in Lemur. `endsAt`: when its token expires; null for never. */
export interface LemurKeyHolder {
  legacyUserId: number;
  legacyId: number;
  endsAt: Date | null;
}

/**
 * Issues and verifies session tokens: JWT (RFC 7519) with HS256. Any other algorithm in a header is refused. Also reads
 * API keys from Lemur, which have the same format.
 */
@Injectable()
export class Tokens {
  constructor(
    @Inject(TokenKeys) private readonly keys: TokenKeys,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** `endsAt`: when it expires. Default: after the lifetime of a session. */
  issue({ userId, epoch }: TokenHolder, endsAt?: Date): string {
    const iat = this.nowS();
    const exp = endsAt ? secondOf(endsAt) : iat + this.config.tokenLifetimeMinutes * 60;
    return this.sign({ sub: String(userId), epoch, iat, exp });
  }

  /** A token that signs nobody in: `readRefresh` gives its session, of which new tokens can be issued. */
  issueRefresh({ userId, epoch, endsAt }: ReadSession): string {
    return this.sign({ refreshes: String(userId), epoch, iat: this.nowS(), exp: secondOf(endsAt) });
  }

  /** Throws `unauthenticated` unless the token is signed with one of the keys and has not expired. */
  read(token: string): ReadSession | LemurKeyHolder {
    for (const key of this.keys) {
      const payload = this.verify(token, key);
      const claims = (Object.hasOwn(payload ?? {}, 'aid') ? LemurKey : Session).safeParse(payload).data;
      if (claims) return claims;
    }
    throw new Problem('unauthenticated', 'The token is not valid.');
  }

  /** Throws `unauthenticated` unless `issueRefresh` has made the token with one of the keys, and it has not expired. */
  readRefresh(token: string): ReadSession {
    for (const key of this.keys) {
      const claims = Refresh.safeParse(this.verify(token, key)).data;
      if (claims) return claims;
    }
    throw new Problem('unauthenticated', 'The refresh token is not valid.');
  }

  private sign(claims: object): string {
    return jwt.sign(claims, this.keys[0], { algorithm: 'HS256' });
  }

  private verify(token: string, key: TokenKeys[0]): object | null {
    try {
      const payload = jwt.verify(token, key, { algorithms: ['HS256'], clockTimestamp: this.nowS() });
      return typeof payload === 'object' ? payload : null;
    } catch (error) {
      if (error instanceof jwt.TokenExpiredError) throw new Problem('unauthenticated', 'The token has expired.');
      return null;
    }
  }

  private nowS(): number {
    return secondOf(this.clock.now());
  }
}

function secondOf(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
