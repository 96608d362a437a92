import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Config } from '../../platform/config.js';
import { Public } from '../../platform/http/actor.js';
import { Answers, JsonBody, QueryOf, Summary } from '../../platform/http/contract.js';
import { Problem } from '../../platform/http/problem.js';
import { Token } from '../token.schema.js';
import { browserOf, rememberBrowser } from './browser-cookie.js';
import type { OidcProvider } from './oidc-provider.js';
import { OidcProviders } from './oidc-providers.js';
import { OidcSignIn, type Return } from './oidc-sign-in.js';
import { LoginQuery, ProviderView, ReturnBody, ReturnQuery } from './oidc.schema.js';

type TokenView = z.output<typeof Token>;

const stateHelp =
  'The state is valid once, for some minutes, and only with the cookie of the same response: ' +
  'a client must keep the cookies of `GET /auth/providers`.';

/** Routes to sign in at OpenID Connect providers, for browsers and for clients that handle the redirect themselves. */
@Public()
@Controller('auth')
export class OidcController {
  constructor(
    private readonly config: Config,
    private readonly providers: OidcProviders,
    private readonly signIn: OidcSignIn,
  ) {}

  @Get('providers')
  @Summary('List identity providers', stateHelp)
  @Answers(200, z.array(ProviderView))
  async list(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<ProviderView[]> {
    if (this.providers.all.length === 0) return [];
    const browser = rememberBrowser(request, reply, this.config);
    return Promise.all(this.providers.all.map((provider) => this.viewOf(provider, browser)));
  }

  @Get('oidc/login')
  @Summary('Start a sign-in in a browser', 'Redirects the browser to the identity provider.')
  @Answers(302, null)
  async login(
    @QueryOf(LoginQuery) { provider: name, returnTo }: z.output<typeof LoginQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const provider = name === undefined ? this.providers.all[0] : this.providers.find(name);
    if (!provider) throw new Problem('not-found', 'There is no such identity provider.');
    const { url } = await this.signIn.begin(provider, rememberBrowser(request, reply, this.config), returnTo);
    void reply.header('location', url.href);
  }

  @Get(['oidc/callback', 'oauth2', 'ping'])
  @Summary('Finish a sign-in in a browser', 'The target of the redirect of the identity provider.')
  @Answers(200, Token)
  @Answers(303, null, { description: 'To `returnTo`, with the token after `#token=`.' })
  async callback(
    @QueryOf(ReturnQuery) query: z.output<typeof ReturnQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TokenView | undefined> {
    const { token, returnTo } = await this.finish(query, request);
    if (returnTo === undefined) return { token };
    void reply.status(303).header('location', `${this.config.publicUrl}${returnTo}#token=${token}`);
    return undefined;
  }

  @Post(['oauth2', 'ping', 'google'])
  @Summary(
    'Sign in with the code of an identity provider',
    `For clients that handle the redirect of the provider themselves. ${stateHelp}`,
  )
  @Answers(200, Token)
  async exchange(
    @JsonBody(ReturnBody) { code, state, iss }: z.output<typeof ReturnBody>,
    @Req() request: FastifyRequest,
  ): Promise<TokenView> {
    const { token } = await this.finish({ code, state, ...(iss !== undefined && { iss }) }, request);
    return { token };
  }

  private finish(
    { code, state, iss, error }: Return,
    request: FastifyRequest,
  ): Promise<{ token: string; returnTo?: string }> {
    return this.signIn.finish(
      { code, state, iss, error },
      { address: request.ip, requestId: request.id, browser: browserOf(request, this.config.publicUrl) },
    );
  }

  private async viewOf(provider: OidcProvider, browser: string): Promise<ProviderView> {
    const { name, title, clientId, redirectUri, scope } = provider;
    const begun = await this.signIn.begin(provider, browser).catch((error: unknown) => {
      if (error instanceof Problem && error.code === 'unavailable') return null;
      throw error;
    });
    return {
      name,
      title,
      type: '2.0',
      clientId,
      redirectUri,
      scope: scope.split(' '),
      responseType: 'code',
      state: begun?.state ?? null,
      authorizationUrl: begun?.url.href ?? null,
      loginUrl: `${this.config.publicUrl}/api/1/auth/oidc/login?provider=${name}`,
    };
  }
}
