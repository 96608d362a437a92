import { createHmac, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Clock } from '../../platform/clock.js';
import { Config } from '../../platform/config.js';
import { Database } from '../../platform/db/database.js';
import { TokenKeys } from '../token-keys.js';
import { IdentityRepository } from './identity.repository.js';
import { Refusal } from './profile.js';

const Payload = z.strictObject({
  provider: z.string(),
  id: z.string(),
  expiresAtMs: z.int(),
  returnTo: z.string().optional(),
});

/** A sign-in that begins: at which provider, and the path here to which the browser goes afterwards. */
export interface SignInRequest {
  provider: string;
  returnTo?: string;
}

/**
 * A sign-in between its two requests. `nonce` and `codeVerifier` are computed from `id` and stored nowhere.
 */
export interface PendingSignIn extends SignInRequest {
  id: string;
  expiresAt: Date;
  nonce: string;
  /** RFC 7636 §4.1: 43 characters. */
  codeVerifier: string;
}

/**
 * States of OAuth 2.0 (RFC 6749 §10.12): signed, short-lived, and valid only in the browser that started. They hold no
 * secret; nonce and PKCE verifier are MACs of the state's id under the key that signed it. Nothing is stored until a
 * state is redeemed.
 */
@Injectable()
export class SignInStates {
  private readonly keys: readonly [Buffer, ...Buffer[]];

  constructor(
    @Inject(TokenKeys) [first, ...others]: TokenKeys,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly db: Database,
    private readonly identities: IdentityRepository,
  ) {
    this.keys = [derived(first), ...others.map(derived)];
  }

  /** `browser`: the secret in the cookie of the browser that starts. */
  begin({ provider, returnTo }: SignInRequest, browser: string): PendingSignIn & { state: string } {
    const expiresAtMs = this.clock.now().getTime() + this.config.oidcStateLifetimeS * 1000;
    const payload = {
      provider,
      id: randomBytes(16).toString('base64url'),
      expiresAtMs,
      ...(returnTo !== undefined && { returnTo }),
    };
    const body = Buffer.from(JSON.stringify(payload)).toString('base64url');
    const [key] = this.keys;
    return { state: `${body}.${mac(key, 'state', body, browser)}`, ...pendingSignIn(key, payload, browser) };
  }

  /** Throws Refusal for a state that is forged, expired or from another browser. */
  open(state: string, browser: string): PendingSignIn {
    const [body = '', given = '', more] = state.split('.');
    const key = this.keys.find((candidate) => isSame(given, mac(candidate, 'state', body, browser)));
    if (!key || more !== undefined) throw new Refusal('The state is not one of this browser.');
    const payload = Payload.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
    if (payload.expiresAtMs <= this.clock.now().getTime()) throw new Refusal('The sign-in took too long.');
    return pendingSignIn(key, payload, browser);
  }

  /** Redeems a state, which works once. Throws Refusal the second time. */
  async use({ id, expiresAt }: PendingSignIn): Promise<void> {
    if (!(await this.identities.useState(this.db.single, id, expiresAt, this.clock.now())))
      throw new Refusal('The state has been used.');
  }
}

function pendingSignIn(
  key: Buffer,
  { provider, id, expiresAtMs, returnTo }: z.output<typeof Payload>,
  browser: string,
): PendingSignIn {
  const codeVerifier = mac(key, 'verifier', id, browser);
  return {
    provider,
    id,
    expiresAt: new Date(expiresAtMs),
    nonce: mac(key, 'nonce', id, browser),
    codeVerifier,
    ...(returnTo !== undefined && { returnTo }),
  };
}

// A separate key: the key of session tokens must sign nothing else.
function derived(key: KeyObject): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'perennial sign-in state', 32));
}

function mac(key: Buffer, ...parts: string[]): string {
  return createHmac('sha256', key).update(parts.join('\0')).digest('base64url');
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
