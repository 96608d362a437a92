import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';
import type { FastpkiOptions } from './fastpki.options.js';

const tokens = new TokenCache(401);
/** Its default; a server that lets tokens end earlier answers with 401. */
const tokenMs = 15 * 60_000;
const largestList = 256 * 1024 * 1024;

const Tokens = z.object({ access_token: z.string().min(1), refresh_token: z.string().optional() });
const Authority = z.object({
  id: z.int(),
  name: z.string(),
  certificate: z.string().min(1),
  parent_ca_id: z.int().nullish(),
});
const Certificate = z.object({
  id: z.int(),
  certificate: z.string().min(1),
  status: z.string(),
  revoked_at: z.string().nullish(),
});
const Detail = z.object({
  detail: z.union([
    z.string(),
    z.array(z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string() })),
  ]),
});

export type Authority = z.infer<typeof Authority>;
export type HeldAtFastpki = z.infer<typeof Certificate>;

/** The REST API of FastPKI. Every method throws PluginError. */
export class FastpkiClient {
  private readonly api: JsonClient;

  constructor(
    private readonly options: FastpkiOptions,
    private readonly ctx: PluginContext,
  ) {
    this.api = new JsonClient(ctx.site, {
      name: 'FastPKI',
      baseUrl: `${options.url.replace(/\/+$/, '')}/api/v1`,
      connection: connectionOf(options),
      secrets: [options.password],
      wordsOf,
    });
  }

  /** The CA of the options and those above it that the user may see; the CA first. */
  async chain(): Promise<[Authority, ...Authority[]]> {
    const { caName } = this.options;
    const all = await this.json(z.array(Authority), { path: '/cas/' });
    const own = all.find(({ name }) => name === caName) ?? all.find(({ id }) => String(id) === caName);
    if (!own) {
      const known = all.map(({ id, name }) => `${name} (${id})`).join(', ');
      throw new PluginError('misconfigured', `FastPKI shows this user no CA ${caName}; it shows ${known || 'none'}.`);
    }
    const chain: [Authority, ...Authority[]] = [own];
    const parentOf = ({ parent_ca_id }: Authority) => all.find(({ id }) => id === parent_ca_id);
    for (let above = parentOf(own); above && !chain.includes(above); above = parentOf(above)) chain.push(above);
    return chain;
  }

  /** Names and key are those of the CSR. */
  sign(caId: number, csr: string, validDays: number): Promise<HeldAtFastpki> {
    const { certificateType: certificate_type } = this.options;
    const json = { csr, ca_id: caId, certificate_type, valid_days: validDays };
    return this.json(Certificate, { path: '/certificates/sign-csr', json });
  }

  /** All certificates of the CA in one answer: FastPKI knows no pages. */
  certificates(caId: number): Promise<HeldAtFastpki[]> {
    return this.json(z.array(Certificate), { path: '/certificates/', query: { ca_id: caId }, maxBytes: largestList });
  }

  /** Done again, it changes nothing: FastPKI answers 409 then. */
  async revoke(id: string, reason: string): Promise<void> {
    try {
      await this.json(Certificate, { path: `/certificates/${encodeURIComponent(id)}/revoke`, json: { reason } });
    } catch (error) {
      if (!(error instanceof HttpFailure && error.answer.status === 409)) throw error;
    }
  }

  private json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    const { url, username, password } = this.options;
    return tokens.use({
      key: createHash('sha256')
        .update(JSON.stringify([url, username, password]))
        .digest('hex'),
      now: this.ctx.now(),
      signIn: (lapsed) => this.signIn(lapsed),
      work: (token) => this.api.json(shape, { ...call, headers: { authorization: `Bearer ${token}` } }),
    });
  }

  /** Sign-ins are few a minute at FastPKI, refreshes are not. */
  private async signIn(lapsed?: Token): Promise<Token> {
    if (lapsed?.refresh !== undefined) {
      try {
        return this.tokenOf(
          await this.api.json(Tokens, { path: '/auth/refresh', json: { refresh_token: lapsed.refresh } }),
        );
      } catch (error) {
        if (!(error instanceof HttpFailure) || error.fault === 'unavailable') throw error;
      }
    }
    const { username, password } = this.options;
    const form = { grant_type: 'password', username, password };
    return this.tokenOf(await this.api.json(Tokens, { path: '/auth/token', form }));
  }

  private tokenOf({ access_token: value, refresh_token: refresh }: z.infer<typeof Tokens>): Token {
    const expiresAt = new Date(this.ctx.now().getTime() + tokenMs);
    return { value, expiresAt, ...(refresh !== undefined && { refresh }) };
  }
}

function wordsOf(body: unknown): string | undefined {
  const read = Detail.safeParse(body);
  if (!read.success) return undefined;
  const { detail } = read.data;
  return typeof detail === 'string' ? detail : detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
}
