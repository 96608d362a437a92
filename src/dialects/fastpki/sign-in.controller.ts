import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Sessions } from '../../auth/sessions.js';
import { type TokenPair, TokenPairs } from '../../auth/token-pairs.js';
import { type Actor, Public, Requires, Who } from '../../platform/http/actor.js';
import { JsonBody } from '../../platform/http/contract.js';
import { PasswordGrant, RefreshToken, type TokensView } from './sign-in.schema.js';
import { fastpkiPrefix } from './fastpki.surfaces.js';

/** FastPKI's routes to sign in and out. Its tokens are those of this program, which takes its own API keys here too. */
@ApiExcludeController()
@Controller(`${fastpkiPrefix}/auth`)
export class FastpkiSignInController {
  constructor(
    private readonly pairs: TokenPairs,
    private readonly sessions: Sessions,
  ) {}

  @Post('token')
  @HttpCode(200)
  @Public()
  async token(
    @JsonBody(PasswordGrant) { username, password }: PasswordGrant,
    @Req() { ip, id }: FastifyRequest,
  ): Promise<TokensView> {
    return tokensView(await this.pairs.open({ name: username, password, address: ip, requestId: id }));
  }

  @Post('refresh')
  @HttpCode(200)
  @Public()
  async refresh(@JsonBody(RefreshToken) { refreshToken }: RefreshToken): Promise<TokensView> {
    return tokensView(await this.pairs.refresh(refreshToken));
  }

  /** Ends every session of the user: tokens are not kept, so none can be ended alone. */
  @Post('logout')
  @HttpCode(204)
  @Requires('session:close')
  async logout(@Who() actor: Actor, @JsonBody(RefreshToken) _: RefreshToken): Promise<void> {
    await this.sessions.closeAll(actor);
  }

  @Post('invalidate')
  @HttpCode(204)
  @Requires('session:close')
  async invalidate(@Who() actor: Actor): Promise<void> {
    await this.sessions.closeAll(actor);
  }
}

function tokensView({ accessToken, refreshToken }: TokenPair): TokensView {
  return { access_token: accessToken, refresh_token: refreshToken, token_type: 'bearer' };
}
