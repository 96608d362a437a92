import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type ClientMetadata, type Configuration } from 'oidc-provider';

/** The two halves of an ID token, as JSON. */
export interface IdToken {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

/** A real OpenID Connect provider with login and consent pages, in this process. */
export interface TestIssuer {
  issuer: string;
  /** What it says of whoever signs in by that name; `sub` is the name. */
  people: Map<string, Record<string, unknown>>;
  /**
   * Changes the next ID tokens before they go out, signed with the provider's key unless the header says `none`, or
   * with `key`.
   */
  forge: ((token: IdToken) => { token: IdToken; key?: KeyObject }) | null;
  /** Every request answered with this status from now on; null: the provider answers. */
  outage: number | null;
  stop(): Promise<void>;
}

/** Any key pair, and the JWK of its private half under the id `kid`. */
function signingKey(kid: string): { key: KeyObject; jwk: object } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { key: privateKey, jwk: { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' } };
}

/** Starts it for these clients, on a free port of the loopback interface. */
export async function startIssuer(clients: ClientMetadata[]): Promise<TestIssuer> {
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => undefined;
  const server = createServer((request, response) => {
    if (test.outage === null) return void handle(request, response);
    response.writeHead(test.outage, { 'content-type': 'text/html' }).end('<h1>Gateway</h1>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { key, jwk } = signingKey('first');
  const test: TestIssuer = {
    issuer,
    people: new Map(),
    forge: null,
    outage: null,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const provider = new Provider(issuer, configuration(clients, jwk, test));
  provider.use(async (context, next) => {
    await next();
    const body = context.body as { id_token?: string } | undefined;
    if (test.forge && context.path === '/token' && body?.id_token)
      context.body = { ...body, id_token: forged(body.id_token, test.forge, key) };
  });
  handle = provider.callback();
  return test;
}

function configuration(clients: ClientMetadata[], jwk: object, { people }: TestIssuer): Configuration {
  return {
    clients,
    jwks: { keys: [jwk] as never[] },
    cookies: { keys: ['for tests'] },
    pkce: { required: () => true },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['preferred_username'],
      groups: ['groups'],
    },
    features: { devInteractions: { enabled: true } },
    ttl: { AuthorizationCode: 60, AccessToken: 60, IdToken: 60, Grant: 600, Interaction: 600, Session: 600 },
    findAccount: (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, ...people.get(sub) }) }),
  };
}

function forged(token: string, forge: NonNullable<TestIssuer['forge']>, own: KeyObject): string {
  const [header, claims] = token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>);
  const made = forge({ header: header ?? {}, claims: claims ?? {} });
  const input = [made.token.header, made.token.claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature =
    made.token.header['alg'] === 'none'
      ? ''
      : sign('sha256', Buffer.from(input), made.key ?? own).toString('base64url');
  return `${input}.${signature}`;
}
