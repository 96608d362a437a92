import { Inject, Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Problem } from '../platform/http/problem.js';
import { TokenKeys } from './token-keys.js';

const UserId = z
  .string()
  .regex(/^[1-9]\d{0,9}$/)
  .transform(Number);
const Session = z
  .object({ sub: UserId, epoch: z.int().min(0), exp: z.int() })
  .transform(({ sub, epoch }) => ({ userId: sub, epoch }));
// An API key of Lemur's: old ones have a number in `sub`, and those without an end have no `exp`.
const LemurKey = z
  .object({ sub: z.union([z.int().min(1), UserId]), aid: z.int().min(1).max(2_147_483_647) })
  .transform(({ sub, aid }) => ({ legacyUserId: sub, legacyId: aid }));

/** Whose session it is, and the token epoch of its beginning. */
export interface TokenHolder {
  userId: number;
  epoch: number;
}

/** An API key that was made by Lemur, and for whom, by the ids that both had there. */
export interface LemurKeyHolder {
  legacyUserId: number;
  legacyId: number;
}

/**
 * Session tokens: JWT (RFC 7519) with HS256 and nothing else, whatever a token's own header says. The API keys of Lemur
 * have the same form.
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

  /**
   * Throws `unauthenticated` for anything that is not a token of ours, or of Lemur's under one of our secrets, with
   * time left.
   */
  read(token: string): TokenHolder | LemurKeyHolder {
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
