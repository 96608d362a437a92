import { Injectable } from '@nestjs/common';
import * as openid from 'openid-client';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { isLoopback } from '../../platform/config-sign-in.js';
import { Log } from '../../platform/log.js';
import { Problem } from '../../platform/http/problem.js';
import type { Claims, OidcProvider } from './oidc-provider.js';
import { type Profile, Refusal } from './profile.js';
import type { PendingSignIn } from './sign-in-state.js';

const timeoutS = 10;
/** How long the metadata of a provider is cached. The library refreshes its keys. */
const metadataLifetimeMs = 3_600_000;

/** The authorization response of the provider (RFC 6749 §4.1.2, RFC 9207). */
export interface AuthorizationResponse {
  code: string;
  state: string;
  iss?: string;
}

/**
 * A client for OpenID Connect providers: code flow with PKCE (S256), state and nonce. Checks issuer, audience, times
 * and signature of ID tokens.
 */
@Injectable()
export class OidcClient {
  private readonly known = new Map<string, { configuration: Promise<openid.Configuration>; untilMs: number }>();

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The URL at which the browser signs in. Throws `unavailable` if the provider does not answer. */
  async authorizationUrl(
    provider: OidcProvider,
    { state, nonce, codeVerifier }: PendingSignIn & { state: string },
  ): Promise<URL> {
    const configuration = await this.configurationOf(provider);
    return openid.buildAuthorizationUrl(configuration, {
      redirect_uri: provider.redirectUri,
      scope: provider.scope,
      response_type: 'code',
      state,
      nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
    });
  }

  /**
   * Exchanges the code for a profile. Throws Refusal if a check fails, `unavailable` if the provider does not answer.
   */
  async redeem(
    provider: OidcProvider,
    { code, state, iss }: AuthorizationResponse,
    thread: PendingSignIn,
  ): Promise<Profile> {
    const configuration = await this.configurationOf(provider);
    const answer = new URL(provider.redirectUri);
    answer.search = new URLSearchParams({ code, state, ...(iss !== undefined && { iss }) }).toString();
    const claims = await this.asking(provider, async () => {
      const tokens = await openid.authorizationCodeGrant(configuration, answer, {
        expectedState: state,
        expectedNonce: thread.nonce,
        pkceCodeVerifier: thread.codeVerifier,
        idTokenExpected: true,
      });
      return this.claimsOf(provider, configuration, tokens);
    });
    const subject = typeof claims['sub'] === 'string' ? claims['sub'] : '';
    // OpenID Connect Core 1.0 §2 limits it to 255 characters.
    if (subject === '' || subject.length > 255) throw new Refusal('The subject is empty or too long.');
    return { way: provider.name, issuer: provider.issuer, subject, ...provider.profileOf(claims) };
  }

  private async claimsOf(
    { wantedClaims }: OidcProvider,
    configuration: openid.Configuration,
    tokens: openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers,
  ): Promise<Claims> {
    const claims: Claims = { ...tokens.claims() };
    const { userinfo_endpoint: endpoint } = configuration.serverMetadata();
    if (endpoint === undefined || wantedClaims.every((name) => Object.hasOwn(claims, name))) return claims;
    const more = await openid.fetchUserInfo(configuration, tokens.access_token, String(claims['sub']));
    // Signed claims take precedence.
    return { ...more, ...claims };
  }

  private async configurationOf(provider: OidcProvider): Promise<openid.Configuration> {
    const nowMs = this.clock.now().getTime();
    const known = this.known.get(provider.name);
    const fresh =
      known && known.untilMs > nowMs
        ? known
        : { configuration: discover(provider, this.config.oidcClockToleranceS), untilMs: nowMs + metadataLifetimeMs };
    this.known.set(provider.name, fresh);
    return this.asking(provider, () => fresh.configuration).catch((error: unknown) => {
      // Do not cache a failure.
      this.known.delete(provider.name);
      throw error instanceof Refusal ? this.unavailable(provider, error) : error;
    });
  }

  /** Maps errors of the library to Refusal or `unavailable`. */
  private async asking<T>(provider: OidcProvider, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw isOutage(error) ? this.unavailable(provider, error) : new Refusal(reasonOf(error), { cause: error });
    }
  }

  private unavailable({ name }: OidcProvider, cause: unknown): Problem {
    this.log.warn({ provider: name, err: cause }, 'identity provider failed');
    return new Problem('unavailable', 'The identity provider cannot be reached now.', { retryAfterS: 10, cause });
  }
}

function discover(
  { issuer, clientId, clientSecret, clientAuth }: OidcProvider,
  toleranceS: number,
): Promise<openid.Configuration> {
  const secretSent = clientAuth === 'client_secret_basic' ? openid.ClientSecretBasic : openid.ClientSecretPost;
  const authentication = clientSecret === undefined ? openid.None() : secretSent(clientSecret);
  const url = new URL(issuer);
  // By default the library relies on TLS to the token endpoint and does not verify signatures. Plain http is allowed
  // only for this machine.
  const execute = [
    openid.enableNonRepudiationChecks,
    ...(url.protocol === 'http:' && isLoopback(url.hostname) ? [openid.allowInsecureRequests] : []),
  ];
  return openid.discovery(url, clientId, { [openid.clockTolerance]: toleranceS }, authentication, {
    execute,
    timeout: timeoutS,
  });
}

/** No response, or one that does not come from the provider itself: a gateway, a proxy's page, a starting server. */
const outages = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
]);

function isOutage(error: unknown): boolean {
  // fetch throws a TypeError without a code if there is no connection; TypeErrors of the library have a code.
  return (
    (error instanceof TypeError && !('code' in error)) ||
    (error instanceof openid.ClientError && outages.has(error.code ?? ''))
  );
}

/** The reason for the audit log: the error code of the provider, or the message of the library. */
function reasonOf(error: unknown): string {
  if (error instanceof openid.ResponseBodyError || error instanceof openid.AuthorizationResponseError)
    return `The provider answered ${error.error.slice(0, 100)}.`;
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message.slice(0, 200)})` : '';
  return error instanceof Error ? `${error.message.slice(0, 200)}${cause}` : 'unknown';
}
