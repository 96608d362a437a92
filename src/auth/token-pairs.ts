import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Bearers } from './bearers.js';
import { type Credentials, SignIn } from './sign-in.js';
import { type ReadSession, Tokens } from './tokens.js';

/** A session as OAuth 2.0 has it (RFC 6749 §1.5): a token for requests, and one that gets another such pair. */
export interface TokenPair {
  accessToken: string;
  refreshToken: string;
}

const accessMs = 15 * 60_000;

/**
 * Sessions whose token for requests lasts a quarter of an hour. Refreshing goes on until the session is as old as any
 * other may get, so that who steals a refresh token gains no more than by a session's token.
 */
@Injectable()
export class TokenPairs {
  constructor(
    private readonly signIn: SignIn,
    private readonly tokens: Tokens,
    private readonly bearers: Bearers,
    private readonly clock: Clock,
  ) {}

  /** Signs in. Throws as SignIn. */
  async open(credentials: Credentials): Promise<TokenPair> {
    const session = this.tokens.read(await this.signIn.run(credentials));
    if (!('userId' in session)) throw new Error('A sign-in has opened no session.');
    return this.pairOf(session);
  }

  /** Throws `unauthenticated` for a token that is invalid or expired, or whose session has been ended. */
  async refresh(refreshToken: string): Promise<TokenPair> {
    const pair = this.pairOf(this.tokens.readRefresh(refreshToken));
    await this.bearers.read(pair.accessToken);
    return pair;
  }

  private pairOf(session: ReadSession): TokenPair {
    const soon = new Date(this.clock.now().getTime() + accessMs);
    return {
      accessToken: this.tokens.issue(session, soon < session.endsAt ? soon : session.endsAt),
      refreshToken: this.tokens.issueRefresh(session),
    };
  }
}
