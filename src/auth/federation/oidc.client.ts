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
/**
 * How long what a provider says of itself is believed: endpoints move seldom. Its keys are refreshed by the library.
 */
const metadataLifetimeMs = 3_600_000;

/** What the provider sent the browser back with (RFC 6749 §4.1.2, RFC 9207). */
export interface AuthorizationResponse {
  code: string;
  state: string;
  iss?: string;
}

/**
 * Speaks with OpenID Connect providers: code flow with PKCE (S256), state and nonce; issuer, audience, times and the
 * signature of ID tokens are checked.
 */
@Injectable()
export class OidcClient {
  private readonly known = new Map<string, { configuration: Promise<openid.Configuration>; untilMs: number }>();

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Where the browser goes to sign in. Throws `unavailable` when the provider does not answer. */
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
   * Redeems the code and returns who the person is. Throws Refusal when anything about it is wrong, `unavailable` when
   * the provider does not answer.
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
    // OpenID Connect Core 1.0 §2 allows no longer one.
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
    // What is signed counts before what is not.
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
      // The next one asks anew.
      this.known.delete(provider.name);
      throw error instanceof Refusal ? this.unavailable(provider, error) : error;
    });
  }

  /** Turns what the library throws into Refusal or `unavailable`. */
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
  // The library trusts TLS to the token endpoint; signatures are to be checked all the same. Plain http only where
  // settings let it, on this machine.
  const execute = [
    openid.enableNonRepudiationChecks,
    ...(url.protocol === 'http:' && isLoopback(url.hostname) ? [openid.allowInsecureRequests] : []),
  ];
  return openid.discovery(url, clientId, { [openid.clockTolerance]: toleranceS }, authentication, {
    execute,
    timeout: timeoutS,
  });
}

/**
 * No answer, or one that says nothing about the sign-in: a gateway in between, a proxy's page, a server that is
 * starting.
 */
const outages = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
]);

function isOutage(error: unknown): boolean {
  // fetch throws a TypeError when there is no connection; those of the library have a code.
  return (
    (error instanceof TypeError && !('code' in error)) ||
    (error instanceof openid.ClientError && outages.has(error.code ?? ''))
  );
}

/** For the audit log: the code of the fault, which comes from a fixed list, or from the provider. */
function reasonOf(error: unknown): string {
  if (error instanceof openid.ResponseBodyError || error instanceof openid.AuthorizationResponseError)
    return `The provider answered ${error.error.slice(0, 100)}.`;
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message.slice(0, 200)})` : '';
  return error instanceof Error ? `${error.message.slice(0, 200)}${cause}` : 'unknown';
}
