import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';

/** How the application signs in. */
export interface AzureAccess {
  tenantId: string;
  clientId: string;
  clientSecret: string;
}

/** A service of Azure, and the cloud in which it is. */
export interface AzureServiceName {
  /** With which the text of an error begins. */
  name: string;
  baseUrl: string;
  /** For whom the token is: `https://vault.azure.net`. */
  audience: string;
  loginUrl: string;
}

export const publicLogin = 'https://login.microsoftonline.com';

const SignedIn = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number() });
const ErrorBody = z.union([
  z.object({ error: z.object({ code: z.string(), message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ error_description: z.string() }).transform((body) => body.error_description),
]);

const tokens = new TokenCache(401);

/** One service as an application with a client secret. Every method throws PluginError, as those of JsonClient. */
export class AzureService {
  constructor(
    private readonly service: AzureServiceName,
    private readonly access: AzureAccess,
    private readonly ctx: PluginContext,
  ) {}

  json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    return this.authorized((client) => client.json(shape, call));
  }

  send(call: JsonCall): Promise<FetchResponse> {
    return this.authorized((client) => client.send(call));
  }

  private authorized<T>(work: (client: JsonClient) => Promise<T>): Promise<T> {
    const { tenantId, clientId, clientSecret } = this.access;
    const { audience, baseUrl } = this.service;
    return tokens.use({
      key: createHash('sha256').update([audience, tenantId, clientId, clientSecret].join('\0')).digest('hex'),
      now: this.ctx.now(),
      signIn: () => this.signIn(),
      work: (token) => work(this.client(baseUrl, { authorization: `Bearer ${token}` })),
    });
  }

  private async signIn(): Promise<Token> {
    const { tenantId, clientId, clientSecret } = this.access;
    const answer = await this.client(this.service.loginUrl).json(SignedIn, {
      path: `/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`,
      form: {
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        scope: `${this.service.audience}/.default`,
      },
    });
    return { value: answer.access_token, expiresAt: new Date(this.ctx.now().getTime() + answer.expires_in * 1000) };
  }

  private client(baseUrl: string, headers: Record<string, string> = {}): JsonClient {
    return new JsonClient(this.ctx.site, {
      name: this.service.name,
      baseUrl,
      headers,
      connection: {},
      secrets: [this.access.clientSecret],
      wordsOf: (body) => ErrorBody.safeParse(body).data,
    });
  }
}
