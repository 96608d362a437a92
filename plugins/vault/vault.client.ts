import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf, siteToken } from '../../src/plugin-api/service-options.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';
import { type SignIn, signInOf, type VaultAccess } from './vault.options.js';

/** An expired token, a revoked one and a missing right are all answered with 403. */
const tokens = new TokenCache(403);
/** So long a token counts that does not end, or that may not be looked at. */
const longestTokenMs = 60 * 60_000;
const marginMs = 60_000;

const Login = z.object({ auth: z.object({ client_token: z.string().min(1), lease_duration: z.number() }) });
const Renewed = z.object({ auth: z.object({ lease_duration: z.number() }) });
const Capabilities = z.object({ data: z.record(z.string(), z.array(z.string())) });
const ErrorBody = z.object({ errors: z.array(z.string()) });

const statusesOfSettings = [404, 405];
const staleStatus = 412;

/** The HTTP API of Vault or OpenBao, whatever the engine. Every method throws PluginError. */
export class VaultClient {
  private readonly api: JsonClient;
  private readonly signIn: SignIn;

  /** Throws PluginError `misconfigured` without a way to sign in. */
  constructor(
    private readonly access: VaultAccess,
    private readonly ctx: PluginContext,
  ) {
    const { url, namespace, token = '', secretId = '' } = access;
    this.signIn = signInOf(access);
    this.api = new JsonClient(ctx.site, {
      name: 'Vault',
      baseUrl: `${url.replace(/\/+$/, '')}/v1`,
      headers: { 'x-vault-request': 'true', ...(namespace !== undefined && { 'x-vault-namespace': namespace }) },
      connection: connectionOf(access),
      secrets: [token, secretId],
      wordsOf,
    });
  }

  /** The answer to a request of the sign-in, in this shape. */
  json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    return this.signedIn((headers) => this.api.json(shape, { ...call, headers }));
  }

  /** The answer as it is, which may be empty. */
  send(call: JsonCall): Promise<FetchResponse> {
    return this.signedIn((headers) => this.api.send({ ...call, headers }));
  }

  /** Throws PluginError `misconfigured` unless the sign-in has all of `wanted` at `path`. Changes nothing there. */
  async demandRights(path: string, wanted: readonly string[]): Promise<void> {
    const answer = await this.json(Capabilities, { path: '/sys/capabilities-self', json: { paths: [path] } });
    const may = answer.data[path] ?? [];
    const lacking = wanted.filter((one) => !may.includes(one));
    if (lacking.length > 0 && !may.includes('root'))
      throw new PluginError('misconfigured', `Vault does not allow this sign-in to ${lacking.join(', ')} ${path}.`);
  }

  private async signedIn<T>(work: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const { url, namespace, authMount } = this.access;
    try {
      return await tokens.use({
        key: createHash('sha256')
          .update(JSON.stringify([url, namespace, authMount, this.signIn]))
          .digest('hex'),
        now: this.ctx.now(),
        signIn: () => this.token(),
        work: (token) => work({ 'x-vault-token': token }),
      });
    } catch (error) {
      throw error instanceof HttpFailure ? new HttpFailure(faultOf(error), error.detail, error.answer) : error;
    }
  }

  private async token(): Promise<Token> {
    const { signIn } = this;
    if (signIn.kind === 'token') return this.lasting(signIn.token, await this.renewal(signIn.token));
    if (signIn.kind === 'jwt') {
      // As the file holds it now: it is renewed there, and the last one may have ended.
      const jwt = await siteToken(this.ctx.site, this.access.url);
      return this.login('kubernetes', { role: signIn.role, jwt });
    }
    const { roleId, secretId } = signIn;
    return this.login('approle', { role_id: roleId, ...(secretId !== undefined && { secret_id: secretId }) });
  }

  private async login(usualMount: string, json: Record<string, string>): Promise<Token> {
    const secrets = [...this.api.service.secrets, json['jwt'] ?? ''];
    const api = new JsonClient(this.ctx.site, { ...this.api.service, secrets });
    const { auth } = await api.json(Login, { path: `/auth/${this.access.authMount ?? usualMount}/login`, json });
    return this.lasting(auth.client_token, auth.lease_duration * 1000);
  }

  /**
   * Renews a token, which is done again when half of its time is over. How long it lasts then, in ms: 0 for one that
   * does not end, is not renewable, or may not renew itself. Whether it is valid at all shows when it is used.
   */
  private async renewal(token: string): Promise<number> {
    const headers = { 'x-vault-token': token };
    try {
      const { auth } = await this.api.json(Renewed, { path: '/auth/token/renew-self', json: {}, headers });
      return (auth.lease_duration * 1000) / 2;
    } catch (error) {
      if (error instanceof HttpFailure && [400, 403].includes(error.answer.status)) return 0;
      throw error;
    }
  }

  private lasting(value: string, lastsMs: number): Token {
    const usedForMs = lastsMs === 0 ? longestTokenMs : Math.min(lastsMs, longestTokenMs);
    return { value, expiresAt: new Date(this.ctx.now().getTime() + usedForMs + (lastsMs === 0 ? marginMs : 0)) };
  }
}

/** Null where there is nothing: an empty list and an absent item are answered with 404 and no words. */
export async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (isNothing(error)) return null;
    throw error;
  }
}

/** Whether the answer is that there is no such thing. An engine that does not exist is answered with words. */
export function isNothing(error: unknown): boolean {
  if (!(error instanceof HttpFailure) || error.answer.status !== 404) return false;
  const read = ErrorBody.safeParse(error.answer.body);
  return read.success && read.data.errors.length === 0;
}

/** Without a mount or a namespace nothing can be done until a person acts; a request is not to blame. */
function faultOf({ answer: { status, body }, fault }: HttpFailure): PluginFault {
  if (status === staleStatus) return 'unavailable';
  if (body === undefined) return fault;
  return statusesOfSettings.includes(status) ? 'misconfigured' : fault;
}

function wordsOf(body: unknown): string | undefined {
  const read = ErrorBody.safeParse(body);
  return read.success
    ? read.data.errors.map((text) => text.replace(/^\d+ errors? occurred:\s*\*?/, '')).join('; ')
    : undefined;
}
