import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type PluginFault } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient, type JsonService } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { connectionOf } from '../../src/plugin-api/service-options.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';
import { type SectigoOptions, type SignIn, signInOf } from './sectigo.options.js';

const tokens = new TokenCache(401);
const defaultTokenS = 300;
const pageSize = 200;

const ErrorBody = z.object({ code: z.int(), description: z.string().default('') });
const TokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number().positive().optional() });
const Organization = z.object({
  id: z.int(),
  name: z.string(),
  departments: z.array(z.object({ id: z.int(), name: z.string() })).nullish(),
});

/** Nearly every error of Sectigo has status 400; its code tells what kind it is. The others are `refused`. */
const faultsOfCodes: Readonly<Record<Exclude<PluginFault, 'refused'>, readonly number[]>> = {
  unavailable: [-2, -14, -65, -103, -109, -129, -140, -195, -618, -1400],
  misconfigured: [-3, -16, -25, -37, -39, -107, -111, -410, -639, -737, -843, -970, -1010, -1023, -1137],
};

/** The REST API of Sectigo Certificate Manager with either sign-in. Every method throws PluginError. */
export class SectigoClient {
  private readonly api: JsonClient;
  private readonly signIn: SignIn;

  /** Throws PluginError `misconfigured` without a way to sign in. */
  constructor(
    private readonly options: SectigoOptions,
    private readonly ctx: PluginContext,
  ) {
    this.signIn = signInOf(options);
    this.api = new JsonClient(ctx.site, this.service(options.baseUrl, headersOf(this.signIn)));
  }

  json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    return this.signedIn((headers) => this.api.json(shape, { ...call, headers: { ...call.headers, ...headers } }));
  }

  send(call: JsonCall): Promise<FetchResponse> {
    return this.signedIn((headers) => this.api.send({ ...call, headers: { ...call.headers, ...headers } }));
  }

  /** Every entry of a list, page after page. */
  async *pages<T>(shape: z.ZodType<T>, call: JsonCall): AsyncGenerator<T> {
    for (let position = 0; ; position += pageSize) {
      const page = await this.json(z.array(shape), { ...call, query: { ...call.query, size: pageSize, position } });
      yield* page;
      if (page.length < pageSize) return;
    }
  }

  /** The IDs and names of what a request can be made for: organizations and their departments. */
  async organizations(): Promise<{ id: number; name: string; parentId?: number }[]> {
    const all = await this.json(z.array(Organization), { path: '/organization/v1' });
    return all.flatMap(({ departments, ...one }) => [
      one,
      ...(departments ?? []).map((department) => ({ ...department, parentId: one.id })),
    ]);
  }

  private async signedIn<T>(work: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const { signIn } = this;
    try {
      if (signIn.kind === 'password') return await work({});
      return await tokens.use({
        key: createHash('sha256')
          .update(JSON.stringify([this.options.oauthUrl, signIn.clientId, signIn.clientSecret]))
          .digest('hex'),
        now: this.ctx.now(),
        signIn: () => this.token(signIn),
        work: (token) => work({ authorization: `Bearer ${token}` }),
      });
    } catch (error) {
      throw error instanceof HttpFailure ? judged(error) : error;
    }
  }

  private async token({ clientId, clientSecret }: Extract<SignIn, { kind: 'oauth' }>): Promise<Token> {
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    const door = new JsonClient(this.ctx.site, this.service(this.options.oauthUrl, {}));
    const answer = await door.json(TokenAnswer, { path: '', form });
    const lifetimeMs = (answer.expires_in ?? defaultTokenS) * 1000;
    return { value: answer.access_token, expiresAt: new Date(this.ctx.now().getTime() + lifetimeMs) };
  }

  private service(baseUrl: string, headers: Record<string, string>): JsonService {
    const { password = '', clientSecret = '' } = this.options;
    return {
      name: 'Sectigo',
      baseUrl,
      headers,
      connection: connectionOf(this.options),
      secrets: [password, clientSecret],
      wordsOf,
    };
  }
}

/** Sectigo's own code of an error, e.g. -183; undefined when there is none. */
export function sectigoCode(error: unknown): number | undefined {
  if (!(error instanceof HttpFailure)) return undefined;
  const read = ErrorBody.safeParse(error.answer.body);
  return read.success ? read.data.code : undefined;
}

function headersOf(signIn: SignIn): Record<string, string> {
  if (signIn.kind === 'oauth') return {};
  const { login, password, customerUri } = signIn;
  return { login, password, customerUri };
}

function judged(error: HttpFailure): HttpFailure {
  const code = sectigoCode(error);
  if (error.answer.status !== 400 || code === undefined) return error;
  const [fault = 'refused'] = (['unavailable', 'misconfigured'] as const).filter((one) =>
    faultsOfCodes[one].includes(code),
  );
  return new HttpFailure(fault, error.detail, error.answer);
}

/** The token endpoint speaks OAuth (RFC 6749 §5.2), all others Sectigo's form. */
function wordsOf(body: unknown): string | undefined {
  const read = ErrorBody.safeParse(body);
  if (read.success) return `${read.data.description.replace(/\.$/, '')} (code ${read.data.code})`;
  const oauth = z.object({ error: z.string(), error_description: z.string().optional() }).safeParse(body);
  return oauth.success ? (oauth.data.error_description ?? oauth.data.error) : undefined;
}
