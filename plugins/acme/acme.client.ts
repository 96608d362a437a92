import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchRequest, FetchResponse } from '../../src/plugin-api/site.js';
import { type AccountKey, publicKeyOf, signedWith } from './jws.js';
import { type AcmeFailure, failureOf } from './problem.js';

/** RFC 8555 §7.1.1, with the members of RFC 9773 §3 and of ACME profiles. */
const Directory = z.object({
  newNonce: z.url(),
  newAccount: z.url(),
  newOrder: z.url(),
  revokeCert: z.url(),
  keyChange: z.url().optional(),
  renewalInfo: z.url().optional(),
  meta: z
    .object({
      termsOfService: z.string().optional(),
      externalAccountRequired: z.boolean().optional(),
      profiles: z.record(z.string(), z.string()).optional(),
    })
    .default({}),
});
export type Directory = z.output<typeof Directory>;

/** Who signs: an account by its URL, or a key that has no account yet. */
export interface Signatory {
  key: AccountKey;
  /** Absent: the key itself stands in the request. */
  accountUrl?: string;
}

const mostNonces = 5;
const mostBytes = 1_048_576;
/** RFC 8555 §6.1 demands it of every request. */
const identity = { 'user-agent': 'Perennial' };

/** Speaks with one ACME server for the length of one call. */
export class AcmeClient {
  private nonce: string | undefined;

  private constructor(
    readonly directory: Directory,
    readonly ctx: PluginContext,
    private readonly connection: Pick<FetchRequest, 'ca' | 'timeoutMs'>,
  ) {}

  /** Throws PluginError `unavailable` when the address has no directory of an ACME server. */
  static async open(
    directoryUrl: string,
    connection: Pick<FetchRequest, 'ca' | 'timeoutMs'>,
    ctx: PluginContext,
  ): Promise<AcmeClient> {
    const answer = await ctx.site.fetch(directoryUrl, { headers: identity, ...connection, maxBytes: mostBytes });
    if (answer.status !== 200) throw failureOf(answer, ctx.now());
    return new AcmeClient(read(Directory, answer), ctx, connection);
  }

  /** Without a signature, as RFC 9773 §4.1 asks. */
  async get(url: string): Promise<FetchResponse> {
    const answer = await this.ctx.site.fetch(url, { headers: identity, ...this.connection, maxBytes: mostBytes });
    if (answer.status !== 200) throw failureOf(answer, this.ctx.now());
    return answer;
  }

  /**
   * A signed request; without a payload it is POST-as-GET. A nonce that the server does not accept is replaced by the
   * one that it gives (RFC 8555 §6.5). Throws AcmeFailure for an error status.
   */
  async post(url: string, who: Signatory, payload?: object): Promise<FetchResponse> {
    for (let left = mostNonces; ; left -= 1) {
      const answer = await this.postOnce(url, who, payload);
      if (answer.status < 400) return answer;
      const failure: AcmeFailure = failureOf(answer, this.ctx.now());
      if (failure.type !== 'badNonce' || left === 1) throw failure;
    }
  }

  private async postOnce(url: string, { key, accountUrl }: Signatory, payload?: object): Promise<FetchResponse> {
    const nonce = this.nonce ?? (await this.freshNonce());
    this.nonce = undefined;
    const signer = accountUrl === undefined ? { jwk: publicKeyOf(key) } : { kid: accountUrl };
    const answer = await this.ctx.site.fetch(url, {
      method: 'POST',
      headers: { ...identity, 'content-type': 'application/jose+json' },
      body: JSON.stringify(signedWith(key, { ...signer, nonce, url }, payload)),
      maxBytes: mostBytes,
      ...this.connection,
    });
    this.nonce = nonceOf(answer);
    return answer;
  }

  private async freshNonce(): Promise<string> {
    const answer = await this.ctx.site.fetch(this.directory.newNonce, {
      method: 'HEAD',
      headers: identity,
      ...this.connection,
    });
    const nonce = answer.status < 400 ? nonceOf(answer) : undefined;
    if (nonce !== undefined) return nonce;
    throw new PluginError('unavailable', `${answer.url.host} gives no nonce (status ${answer.status}).`);
  }
}

/** The JSON of an answer in this shape. Throws PluginError `unavailable`. */
export function read<T>(shape: z.ZodType<T>, { body, url }: FetchResponse): T {
  try {
    return shape.parse(JSON.parse(body.toString('utf8')));
  } catch (error) {
    throw new PluginError('unavailable', `${url.host} answers something else than ACME.`, undefined, { cause: error });
  }
}

/** RFC 8555 §6.5.1: base64url. */
function nonceOf({ headers }: FetchResponse): string | undefined {
  const nonce = headers['replay-nonce'];
  return typeof nonce === 'string' && /^[A-Za-z0-9_-]+$/.test(nonce) ? nonce : undefined;
}
