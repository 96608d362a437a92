import { Injectable } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Database } from '../../platform/db/database.js';
import { Problem } from '../../platform/http/problem.js';
import { FailureLimits } from '../failure-limits.js';
import { Sessions, type Visitor } from '../sessions.js';
import { FederatedAccounts } from './federated-accounts.js';
import { IdentityRepository } from './identity.repository.js';
import { type AuthorizationResponse, OidcClient } from './oidc.client.js';
import type { OidcProvider } from './oidc-provider.js';
import { OidcProviders } from './oidc-providers.js';
import { type Profile, Refusal } from './profile.js';
import { SignInStates, type SignInThread } from './sign-in-state.js';

/**
 * The way to the provider and back. `error` stands in the place of a code when the provider refuses (RFC 6749
 * §4.1.2.1).
 */
export interface Return extends Partial<AuthorizationResponse> {
  error?: string;
}

/** Whose sign-in it is, and where they sit. `browser` is the secret in the cookie. */
export interface Guest extends Visitor {
  browser: string;
}

/** What the two halves of a sign-in at a provider are made of. */
@Injectable()
export class OidcParts {
  constructor(
    readonly providers: OidcProviders,
    readonly client: OidcClient,
    readonly states: SignInStates,
    readonly identities: IdentityRepository,
    readonly accounts: FederatedAccounts,
  ) {}
}

/** Sign-in at an OpenID Connect provider: out with a state, back with a code. */
@Injectable()
export class OidcSignIn {
  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly parts: OidcParts,
    private readonly limits: FailureLimits,
    private readonly sessions: Sessions,
  ) {}

  /** A fresh state and where the browser goes with it. Throws `unavailable`. */
  async begin(provider: OidcProvider, browser: string, returnTo?: string): Promise<{ state: string; url: URL }> {
    const thread = this.parts.states.begin(
      { provider: provider.name, ...(returnTo !== undefined && { returnTo }) },
      browser,
    );
    return { state: thread.state, url: await this.parts.client.authorizationUrl(provider, thread) };
  }

  /** The token of a new session. Throws `sign-in-refused`, `too-many-requests` and `unavailable`. */
  async finish(answer: Return, guest: Guest): Promise<{ token: string; returnTo?: string }> {
    const { thread, provider } = await this.opened(answer, guest);
    this.limits.takeOfAddress(guest.address, 'provider');
    const profile = await this.proved(provider, answer, { thread, guest });
    const account = await this.parts.accounts.admit(profile, provider.admission, guest).catch((error: unknown) =>
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
    return { token, ...(thread.returnTo !== undefined && { returnTo: thread.returnTo }) };
  }

  private async opened(
    { state = '' }: Return,
    guest: Guest,
  ): Promise<{ thread: SignInThread; provider: OidcProvider }> {
    try {
      const thread = this.parts.states.open(state, guest.browser);
      const provider = this.parts.providers.find(thread.provider);
      if (!provider) throw new Refusal('The provider is no longer set up.');
      return { thread, provider };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.limits.takeOfAddress(guest.address, 'stray');
      return this.refuse(guest, { way: 'oidc', name: '', reason: error.message });
    }
  }

  private async proved(
    provider: OidcProvider,
    { code, state = '', iss, error }: Return,
    { thread, guest }: { thread: SignInThread; guest: Guest },
  ): Promise<Profile> {
    try {
      if (!(await this.parts.identities.useState(this.db.single, thread.id, thread.expiresAt, this.clock.now())))
        throw new Refusal('The state has been used.');
      if (error !== undefined || code === undefined)
        throw new Refusal(`The provider answered ${error?.slice(0, 100) ?? 'without a code'}.`);
      // Clients of Lemur do not hand `iss` on. Where there is one provider alone, nobody can mix it up with another
      // (RFC 9207 §1).
      const only = this.parts.providers.all.length === 1 ? provider.issuer : undefined;
      return await this.parts.client.redeem(provider, { code, state, iss: iss ?? only }, thread);
    } catch (failure) {
      if (failure instanceof Refusal)
        return this.refuse(guest, { way: provider.name, name: '', reason: failure.message });
      // The provider is to blame, not the one who asks.
      this.limits.giveBack(guest.address, 'provider');
      throw failure;
    }
  }

  /** `told`: what the person may read, who has proved by then who they are. */
  private async refuse(
    guest: Guest,
    { way, name, reason, told }: { way: Profile['way']; name: string; reason: string; told?: string },
  ): Promise<never> {
    await this.sessions.refuse(guest, { name, way, reason });
    throw new Problem('sign-in-refused', told ?? 'The sign-in could not be completed. Begin it anew.');
  }
}
