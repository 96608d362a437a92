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

  issue({ userId, epoch }: TokenHolder): string {
    const iat = this.nowS();
    const claims = { sub: String(userId), epoch, iat, exp: iat + this.config.tokenLifetimeMinutes * 60 };
    return jwt.sign(claims, this.keys[0], { algorithm: 'HS256' });
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
    return Math.floor(this.clock.now().getTime() / 1000);
  }
}
