import { Injectable } from '@nestjs/common';
import { Problem } from '../../platform/http/problem.js';
import { FailureLimits } from '../failure-limits.js';
import { Sessions, type Visitor } from '../sessions.js';
import { FederatedAccounts } from './federated-accounts.js';
import { type AuthorizationResponse, OidcClient } from './oidc.client.js';
import type { OidcProvider } from './oidc-provider.js';
import { OidcProviders } from './oidc-providers.js';
import { type Profile, Refusal } from './profile.js';
import { SignInStates, type PendingSignIn } from './sign-in-state.js';

/** The parameters of the provider's redirect: a code, or `error` if the provider refused (RFC 6749 §4.1.2.1). */
export interface Return extends Partial<AuthorizationResponse> {
  error?: string;
}

/** The client of a sign-in. `browser` is the secret in its cookie. */
export interface Guest extends Visitor {
  browser: string;
}

/** Signs in at an OpenID Connect provider: sends the browser there with a state, which returns with a code. */
@Injectable()
export class OidcSignIn {
  constructor(
    private readonly providers: OidcProviders,
    private readonly client: OidcClient,
    private readonly states: SignInStates,
    private readonly accounts: FederatedAccounts,
    private readonly limits: FailureLimits,
    private readonly sessions: Sessions,
  ) {}

  /** A new state and the URL at the provider for the browser. Throws `unavailable`. */
  async begin(provider: OidcProvider, browser: string, returnTo?: string): Promise<{ state: string; url: URL }> {
    const pending = this.states.begin(
      { provider: provider.name, ...(returnTo !== undefined && { returnTo }) },
      browser,
    );
    return { state: pending.state, url: await this.client.authorizationUrl(provider, pending) };
  }

  /** The token of a new session. Throws `sign-in-refused`, `too-many-requests` and `unavailable`. */
  async finish(answer: Return, guest: Guest): Promise<{ token: string; returnTo?: string }> {
    const { pending, provider } = await this.opened(answer, guest);
    this.limits.takeOfAddress(guest.address, 'provider');
    const profile = await this.proved(provider, answer, { pending, guest });
    const account = await this.accounts.admit(profile, provider.admission, guest).catch((error: unknown) =>
      error instanceof Refusal
        ? this.refuse(guest, {
            way: profile.way,
            name: profile.email ?? profile.subject,
            reason: error.message,
            told: error.message,
          })
        : Promise.reject(error as Error),
    );
    this.limits.giveBack(guest.address, 'provider');
    const token = await this.sessions.open(guest, account, profile.way);
    return { token, ...(pending.returnTo !== undefined && { returnTo: pending.returnTo }) };
  }

  private async opened(
    { state = '' }: Return,
    guest: Guest,
  ): Promise<{ pending: PendingSignIn; provider: OidcProvider }> {
    try {
      const pending = this.states.open(state, guest.browser);
      const provider = this.providers.find(pending.provider);
      if (!provider) throw new Refusal('The provider is no longer configured.');
      return { pending, provider };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.limits.takeOfAddress(guest.address, 'stray');
      return this.refuse(guest, { way: 'oidc', name: '', reason: error.message });
    }
  }

  private async proved(
    provider: OidcProvider,
    { code, state = '', iss, error }: Return,
    { pending, guest }: { pending: PendingSignIn; guest: Guest },
  ): Promise<Profile> {
    try {
      await this.states.use(pending);
      if (error !== undefined || code === undefined)
        throw new Refusal(`The provider answered ${error?.slice(0, 100) ?? 'without a code'}.`);
      // Lemur's clients do not pass `iss` on. A single provider cannot be confused with another (RFC 9207 §1).
      const only = this.providers.all.length === 1 ? provider.issuer : undefined;
      return await this.client.redeem(provider, { code, state, iss: iss ?? only }, pending);
    } catch (failure) {
      if (failure instanceof Refusal)
        return this.refuse(guest, { way: provider.name, name: '', reason: failure.message });
      // The provider failed, not the client.
      this.limits.giveBack(guest.address, 'provider');
      throw failure;
    }
  }

  /** `told` is the text for the user. Without it, the text is general, because the person is not authenticated yet. */
  private async refuse(
    guest: Guest,
    { way, name, reason, told }: { way: Profile['way']; name: string; reason: string; told?: string },
  ): Promise<never> {
    await this.sessions.refuse(guest, { name, way, reason });
    throw new Problem('sign-in-refused', told ?? 'The sign-in could not be completed. Start again.');
  }
}
