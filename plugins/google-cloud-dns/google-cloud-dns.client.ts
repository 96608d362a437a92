import { createHash, createPrivateKey, sign } from 'node:crypto';
import { z } from 'zod';
import { PluginError } from '../../src/plugin-api/errors.js';
import { HttpFailure, type JsonCall, JsonClient } from '../../src/plugin-api/json-client.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import { type Token, TokenCache } from '../../src/plugin-api/token-cache.js';

const tokenUrl = 'https://oauth2.googleapis.com/token';
const scope = 'https://www.googleapis.com/auth/ndev.clouddns.readwrite';
const mostPages = 50;

const ServiceAccount = z.object({
  type: z.literal('service_account'),
  project_id: z.string(),
  private_key: z.string(),
  client_email: z.string(),
});
const SignedIn = z.object({ access_token: z.string().min(1), expires_in: z.number() });
const Zones = z.object({
  managedZones: z
    .array(z.object({ name: z.string(), dnsName: z.string(), visibility: z.string().optional() }))
    .default([]),
  nextPageToken: z.string().optional(),
});
const Records = z.object({
  rrsets: z
    .array(z.object({ name: z.string(), type: z.string(), ttl: z.number(), rrdatas: z.array(z.string()) }))
    .default([]),
});
const ErrorBody = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ error_description: z.string() }).transform((body) => body.error_description),
]);

const tokens = new TokenCache(401);

/** True for the JSON file of a service account key. */
export function isServiceAccount(text: string): boolean {
  try {
    const { private_key: key } = ServiceAccount.parse(JSON.parse(text));
    return createPrivateKey(key).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}

/** The API of Google Cloud DNS (v1), as far as TXT records need it. */
export class GoogleDnsClient {
  private readonly account: z.output<typeof ServiceAccount>;
  private readonly project: string;

  constructor(
    { serviceAccountKey, project }: { serviceAccountKey: string; project?: string | undefined },
    private readonly ctx: PluginContext,
  ) {
    ctx.signal.throwIfAborted();
    if (!isServiceAccount(serviceAccountKey))
      throw new PluginError('misconfigured', 'The key of the service account cannot be read.');
    this.account = ServiceAccount.parse(JSON.parse(serviceAccountKey));
    this.project = project ?? this.account.project_id;
  }

  /** The public zones: their names at Google, and their domains in lower case without a dot at the end. */
  async zones(): Promise<{ name: string; domain: string }[]> {
    const zones: { name: string; domain: string }[] = [];
    let pageToken: string | undefined;
    for (let pages = 0; pages < mostPages; pages += 1) {
      const call = { path: this.path(''), query: { pageToken } };
      const answer = await this.authorized((client) => client.json(Zones, call));
      for (const { name, dnsName, visibility = 'public' } of answer.managedZones)
        if (visibility === 'public') zones.push({ name, domain: dnsName.toLowerCase().replace(/\.$/, '') });
      pageToken = answer.nextPageToken;
      if (pageToken === undefined) break;
    }
    return zones;
  }

  /**
   * Replaces the values of a TXT record set, unless it has changed since it was read: then PluginError `unavailable`.
   * Google compares what is deleted with what is there.
   */
  async change(zone: string, name: string, edit: (values: string[]) => string[], ttlS = 60): Promise<void> {
    const fullName = `${name}.`;
    const at = `/${encodeURIComponent(zone)}`;
    const { rrsets } = await this.authorized((client) =>
      client.json(Records, { path: this.path(`${at}/rrsets`), query: { name: fullName, type: 'TXT' } }),
    );
    const found = rrsets.find((set) => set.name.toLowerCase() === fullName && set.type === 'TXT');
    const before = found?.rrdatas.map(unquoted) ?? [];
    const after = edit(before);
    if (after.length === before.length && after.every((value, index) => value === before[index])) return;
    const next = { name: fullName, type: 'TXT', ttl: found?.ttl ?? ttlS, rrdatas: after.map(quoted) };
    await this.write({
      path: this.path(`${at}/changes`),
      json: { deletions: found ? [found] : [], additions: after.length > 0 ? [next] : [] },
    });
  }

  private async write(call: JsonCall): Promise<void> {
    try {
      await this.authorized((client) => client.send(call));
    } catch (error) {
      if (!(error instanceof HttpFailure) || ![404, 409, 412].includes(error.answer.status)) throw error;
      throw new PluginError('unavailable', 'Another one has changed the record in Google Cloud DNS meanwhile.');
    }
  }

  private path(rest: string): string {
    return `/dns/v1/projects/${encodeURIComponent(this.project)}/managedZones${rest}`;
  }

  private authorized<T>(work: (client: JsonClient) => Promise<T>): Promise<T> {
    const { client_email: email, private_key: key } = this.account;
    return tokens.use({
      key: createHash('sha256').update(`${email}\0${key}`).digest('hex'),
      now: this.ctx.now(),
      signIn: () => this.signIn(),
      work: (token) => work(this.client('https://dns.googleapis.com', { authorization: `Bearer ${token}` })),
    });
  }

  /** RFC 7523: a JWT that the key of the account signs. */
  private async signIn(): Promise<Token> {
    const nowS = Math.floor(this.ctx.now().getTime() / 1000);
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

/** Character strings as zone files have them (RFC 1035 §5.1). */
function quoted(value: string): string {
  const parts = value.match(/.{1,255}/g) ?? [''];
  return parts.map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ');
}

function unquoted(data: string): string {
  const parts = [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)];
  return parts.length > 0 ? parts.map(([, part = '']) => part.replace(/\\(.)/g, '$1')).join('') : data;
}
