import { Inject, Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import { Clock } from '../platform/clock.js';
import { Config } from '../platform/config.js';
import { Problem } from '../platform/http/problem.js';
import { TokenKeys } from './token-keys.js';

const Claims = z.object({ sub: z.string().regex(/^[1-9]\d{0,9}$/).transform(Number), epoch: z.int().min(0) });

/** Whose token it is, and the token epoch of its issue. */
export interface TokenHolder {
  userId: number;
  epoch: number;
}

/** Session tokens: JWT (RFC 7519) with HS256 and nothing else, whatever a token's own header says. */
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

  /** Throws `unauthenticated` for anything that is not a token of ours with time left. */
  read(token: string): TokenHolder {
    for (const key of this.keys) {
      const claims = this.verify(token, key);
      if (claims) return { userId: claims.sub, epoch: claims.epoch };
    }
    throw new Problem('unauthenticated', 'The token is not valid.');
  }

  private verify(token: string, key: TokenKeys[0]): z.output<typeof Claims> | null {
    try {
      const payload = jwt.verify(token, key, { algorithms: ['HS256'], clockTimestamp: this.nowS() });
      return typeof payload === 'object' && payload.exp !== undefined ? (Claims.safeParse(payload).data ?? null) : null;
    } catch (error) {
      if (error instanceof jwt.TokenExpiredError) throw new Problem('unauthenticated', 'The token has expired.');
      return null;
    }
  }

  private nowS(): number {
    return Math.floor(this.clock.now().getTime() / 1000);
  }
}
