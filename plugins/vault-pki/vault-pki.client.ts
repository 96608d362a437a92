import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PluginError, type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';
import { type SignIn, signInOf, signPathOf, type VaultPkiOptions } from './vault-pki.options.js';

/** An expired token, a revoked one and a missing right are all answered with 403. */
const tokens = new TokenCache(403);
/** So long a token counts that does not end, or that may not be looked at. */
const longestTokenMs = 60 * 60_000;
const marginMs = 60_000;
const largestList = 64 * 1024 * 1024;

const data = <T extends z.ZodRawShape>(shape: T) => z.object({ data: z.object(shape) });
const Login = z.object({ auth: z.object({ client_token: z.string().min(1), lease_duration: z.number() }) });
const Renewed = z.object({ auth: z.object({ lease_duration: z.number() }) });
const Signed = data({
  certificate: z.string().min(1),
  issuing_ca: z.string().optional(),
  ca_chain: z.array(z.string()).nullish(),
  serial_number: z.string().min(1),
});
const Held = data({ certificate: z.string().min(1), revocation_time: z.number().default(0) });
const Keys = data({ keys: z.array(z.string()) });
const Issuers = data({
  keys: z.array(z.string()),
  key_info: z
    .record(z.string(), z.object({ is_default: z.boolean().default(false), key_id: z.string().optional() }))
    .default({}),
});
const Issuer = data({ certificate: z.string().min(1), ca_chain: z.array(z.string()).nullish() });
const ErrorBody = z.object({ errors: z.array(z.string()) });

/** Words of an error 400 or 500 that is one of the engine's settings. */
const settingWords = /unknown role|unable to find PKI issuer|no default issuer|could not fetch the CA certificate/i;
const foreignWords = /unable to verify signature on presented cert/i;
const statusesOfSettings = [404, 405];
const staleStatus = 412;

export type SignedByVault = z.infer<typeof Signed>['data'];
export type HeldAtVault = z.infer<typeof Held>['data'] & { serial: string };

/** The HTTP API of the PKI engine of Vault or OpenBao. Every method throws PluginError. */
export class VaultPkiClient {
  private readonly api: JsonClient;
  private readonly signIn: SignIn;

  /** Throws PluginError `misconfigured` without a way to sign in. */
  constructor(
    private readonly options: VaultPkiOptions,
    private readonly ctx: PluginContext,
  ) {
    const { url, namespace, token = '', secretId = '' } = options;
    this.signIn = signInOf(options);
    this.api = new JsonClient(ctx.site, {
      name: 'Vault',
      baseUrl: `${url.replace(/\/+$/, '')}/v1`,
      headers: { 'x-vault-request': 'true', ...(namespace !== undefined && { 'x-vault-namespace': namespace }) },
      connection: connectionOf(options),
      secrets: [token, secretId],
      wordsOf,
    });
  }

  /** `request` is what the engine takes beside the CSR. */
  async sign(csr: string, request: object): Promise<SignedByVault> {
    return (await this.engine(Signed, { path: signPathOf(this.options), json: { csr, ...request } })).data;
  }

  /** The serial numbers of all certificates that the engine has kept, in its form. */
  async serials(): Promise<string[]> {
    const found = await this.orNull(this.engine(Keys, { path: '/certs?list=true', maxBytes: largestList }));
    return found?.data.keys ?? [];
  }

  /** Null: the engine has not kept such a certificate. `serial` has the form of the engine. */
  async certificate(serial: string): Promise<HeldAtVault | null> {
    const found = await this.orNull(this.engine(Held, { path: `/cert/${serial}` }));
    return found && { serial, ...found.data };
  }

  /** Done again, it changes nothing. A certificate that the engine has not kept is revoked by its PEM. */
  async revoke(serial: string, pem: string): Promise<void> {
    const state = data({ revocation_time: z.number() });
    try {
      await this.engine(state, { path: '/revoke', json: { serial_number: serial } });
    } catch (error) {
      if (!(error instanceof HttpFailure && /not found/i.test(error.detail))) throw error;
      await this.engine(state, { path: '/revoke', json: { certificate: pem } });
    }
  }

  /** The issuer of the options, or all of the engine that have a key, the default one first; each with its chain. */
  async issuers(): Promise<string[][]> {
    const { issuer } = this.options;
    const chains: string[][] = [];
    for (const ref of issuer === undefined ? await this.issuerIds() : [issuer]) {
      const { certificate, ca_chain: chain } = (await this.engine(Issuer, { path: `/issuer/${ref}/json` })).data;
      chains.push(chain && chain.length > 0 ? chain : [certificate]);
    }
    if (chains.length === 0) throw new PluginError('misconfigured', 'Vault has no issuer with a key in this engine.');
    return chains;
  }

  /** Throws PluginError `misconfigured` when the token does not allow to sign. Signs nothing. */
  async demandRights(): Promise<void> {
    const path = `${this.options.mount}${signPathOf(this.options)}`;
    const shape = z.object({ data: z.record(z.string(), z.array(z.string())) });
    const answer = await this.signedIn(shape, { path: '/sys/capabilities-self', json: { paths: [path] } });
    const may = answer.data[path] ?? [];
    if (!may.some((one) => one === 'update' || one === 'root'))
      throw new PluginError('misconfigured', `Vault does not allow this sign-in to update ${path}.`);
  }

  /** Throws PluginError `misconfigured` when the engine has no such role. A role that may not be read may exist. */
  async demandRole(): Promise<void> {
    const { role } = this.options;
    if (role === undefined) return;
    try {
      await this.engine(data({}), { path: `/roles/${role}` });
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.answer.status !== 403)
        throw isNothing(error) ? new PluginError('misconfigured', `Vault has no role ${role} in this engine.`) : error;
    }
  }

  private async issuerIds(): Promise<string[]> {
    const found = await this.orNull(this.engine(Issuers, { path: '/issuers?list=true' }));
    const { keys, key_info: known } = found?.data ?? { keys: [], key_info: {} };
    const defaultFirst = (id: string): number => (known[id]?.is_default ? 0 : 1);
    return keys.filter((id) => known[id]?.key_id !== '').sort((a, b) => defaultFirst(a) - defaultFirst(b));
  }

  /** An empty list and an absent item are answered with 404 and no words. */
  private async orNull<T>(answer: Promise<T>): Promise<T | null> {
    try {
      return await answer;
    } catch (error) {
      if (isNothing(error)) return null;
      throw error;
    }
  }

  private engine<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    return this.signedIn(shape, { ...call, path: `/${this.options.mount}${call.path}` });
  }

  private async signedIn<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    const { url, namespace, authMount } = this.options;
    try {
      return await tokens.use({
        key: createHash('sha256')
          .update(JSON.stringify([url, namespace, authMount, this.signIn]))
          .digest('hex'),
        now: this.ctx.now(),
        signIn: () => this.token(),
        work: (token) => this.api.json(shape, { ...call, headers: { 'x-vault-token': token } }),
      });
    } catch (error) {
      throw error instanceof HttpFailure ? new HttpFailure(faultOf(error), error.detail, error.answer) : error;
    }
  }

  private async token(): Promise<Token> {
    const { signIn } = this;
    if (signIn.kind === 'token') return this.lasting(signIn.token, await this.renewal(signIn.token));
    const json = { role_id: signIn.roleId, ...(signIn.secretId !== undefined && { secret_id: signIn.secretId }) };
    const { auth } = await this.api.json(Login, { path: `/auth/${this.options.authMount}/login`, json });
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

function isNothing(error: unknown): boolean {
  if (!(error instanceof HttpFailure) || error.answer.status !== 404) return false;
  const read = ErrorBody.safeParse(error.answer.body);
  return read.success && read.data.errors.length === 0;
}

/** Without a mount, a namespace or a role nothing can be signed until a person acts; a request is not to blame. */
function faultOf({ answer: { status, body }, detail, fault }: HttpFailure): PluginFault {
  if (status === staleStatus) return 'unavailable';
  if (body === undefined) return fault;
  if (statusesOfSettings.includes(status) || settingWords.test(detail)) return 'misconfigured';
  return foreignWords.test(detail) ? 'refused' : fault;
}

function wordsOf(body: unknown): string | undefined {
  const read = ErrorBody.safeParse(body);
  return read.success
    ? read.data.errors.map((text) => text.replace(/^\d+ errors? occurred:\s*\*?/, '')).join('; ')
    : undefined;
}
