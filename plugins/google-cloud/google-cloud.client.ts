import { createHash, createPrivateKey, sign } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchResponse } from '../../src/plugin-api/site.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';

const tokenUrl = 'https://oauth2.googleapis.com/token';

const ServiceAccount = z.object({
  type: z.literal('service_account'),
  project_id: z.string(),
  private_key: z.string(),
  client_email: z.string(),
});
const SignedIn = z.object({ access_token: z.string().min(1), expires_in: z.number() });
const ErrorBody = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ error_description: z.string() }).transform((body) => body.error_description),
]);

const tokens = new TokenCache(401);

/** Who signs in; without a project it is that of the service account. */
export interface GoogleAccess {
  serviceAccountKey: string;
  project?: string | undefined;
}

/** One API, and the scope (OAuth 2.0) that it demands. */
export interface GoogleApi {
  baseUrl: string;
  scope: string;
}

/** True for the JSON file of a service account key. */
export function isServiceAccount(text: string): boolean {
  try {
    const { private_key: key } = ServiceAccount.parse(JSON.parse(text));
    return createPrivateKey(key).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

/** One API of Google Cloud as a service account. Every method throws PluginError, as those of JsonClient. */
export class GoogleService {
  readonly project: string;
  private readonly account: z.output<typeof ServiceAccount>;

  constructor(
    private readonly api: GoogleApi,
    { serviceAccountKey, project }: GoogleAccess,
    private readonly ctx: PluginContext,
  ) {
    ctx.signal.throwIfAborted();
    if (!isServiceAccount(serviceAccountKey))
      throw new PluginError('misconfigured', 'The key of the service account cannot be read.');
    this.account = ServiceAccount.parse(JSON.parse(serviceAccountKey));
    this.project = project ?? this.account.project_id;
  }

  json<T>(shape: z.ZodType<T>, call: JsonCall): Promise<T> {
    return this.authorized((client) => client.json(shape, call));
  }

  send(call: JsonCall): Promise<FetchResponse> {
    return this.authorized((client) => client.send(call));
  }

  private authorized<T>(work: (client: JsonClient) => Promise<T>): Promise<T> {
    const { client_email: email, private_key: key } = this.account;
    return tokens.use({
      key: createHash('sha256').update([this.api.scope, email, key].join('\0')).digest('hex'),
      now: this.ctx.now(),
      signIn: () => this.signIn(),
      work: (token) => work(this.client(this.api.baseUrl, { authorization: `Bearer ${token}` })),
    });
  }

  /** RFC 7523: a JWT that the key of the account signs. */
  private async signIn(): Promise<Token> {
    const nowS = Math.floor(this.ctx.now().getTime() / 1000);
    const { scope } = this.api;
    const claims = { iss: this.account.client_email, scope, aud: tokenUrl, iat: nowS, exp: nowS + 3600 };
    const encoded = [{ alg: 'RS256', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(encoded), this.account.private_key).toString('base64url');
    const { origin, pathname } = new URL(tokenUrl);
    const answer = await this.client(origin).json(SignedIn, {
      path: pathname,
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: `${encoded}.${signature}` },
    });
    return { value: answer.access_token, expiresAt: new Date((nowS + answer.expires_in) * 1000) };
  }

  private client(baseUrl: string, headers: Record<string, string> = {}): JsonClient {
    return new JsonClient(this.ctx.site, {
      name: 'Google Cloud',
      baseUrl,
      headers,
      connection: {},
      secrets: [this.account.private_key],
      wordsOf: (body) => ErrorBody.safeParse(body).data,
    });
  }
}
