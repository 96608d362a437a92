import { createHash, createPublicKey, type JsonWebKey, randomBytes, verify, X509Certificate } from 'node:crypto';
import type { SigningCa } from '../support/signing-ca.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

interface Order {
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  identifiers: { type: string; value: string }[];
  replaces: string | undefined;
  profile: string | undefined;
  chainPem: string[];
}

interface Header {
  alg: string;
  nonce?: string;
  url: string;
  jwk?: JsonWebKey;
  kid?: string;
}

interface Body {
  identifiers?: Order['identifiers'];
  replaces?: string;
  profile?: string;
  certificate?: string;
  csr?: string;
  onlyReturnExisting?: boolean;
}

/** A strict ACME server (RFC 8555, RFC 9773): nonces count once, each URL is the signed one, reads are POST-as-GET. */
export interface AcmeServer {
  standIn: StandIn;
  directoryUrl: string;
  orders: Order[];
  /** Thumbprints of the account keys, in order. */
  accounts: string[];
  /** Serial numbers, upper case hexadecimal. */
  revoked: string[];
  /** Certificates that an order has replaced, by their id. */
  replaced: Set<string>;
  /** What a validation finds; by default the answer that was presented is right. */
  validates: boolean;
  /** It has lost every account. */
  forget(): void;
}

/** A request that RFC 8555 §6 refuses. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    detail: string,
  ) {
    super(detail);
  }
}

const host = 'https://acme.test';
const prefix = 'urn:ietf:params:acme:error:';
const authorizationOf = (order: number, at: number): string => `${host}/authz/${order}/${at}`;

/** `presented` are the values that the test's challenges show. */
export async function startAcmeServer(ca: SigningCa, presented: ReadonlySet<string>): Promise<AcmeServer> {
  const nonces = new Set<string>();
  const keys = new Map<string, JsonWebKey>();
  const authorizations = new Map<string, 'pending' | 'valid' | 'invalid' | 'deactivated'>();

  /** The signed request. Throws Refusal. */
  function opened({ path, headers, json }: Exchange): { payload: string; key: JsonWebKey; kid: string | undefined } {
    if (headers['content-type'] !== 'application/jose+json')
      throw new Refusal(415, 'malformed', 'The media type is wrong.');
    const { protected: head = '', payload = '', signature = '' } = json as Record<string, string>;
    const { alg, nonce, url, jwk, kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as Header;
    if (alg !== 'ES256' || (jwk === undefined) === (kid === undefined))
      throw new Refusal(400, 'malformed', 'A bad header.');
    if (url !== host + path) throw new Refusal(401, 'unauthorized', 'The URL is not the signed one.');
    const key = jwk ?? keys.get(kid ?? '');
    if (!key) throw new Refusal(400, 'accountDoesNotExist', 'There is no such account.');
    const publicKey = { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
    if (!verify('sha256', Buffer.from(`${head}.${payload}`), publicKey, Buffer.from(signature, 'base64url')))
      throw new Refusal(400, 'malformed', 'The signature is wrong.');
    if (!nonces.delete(nonce ?? '')) throw new Refusal(400, 'badNonce', 'The nonce is spent.');
    return { payload: Buffer.from(payload, 'base64url').toString(), key, kid };
  }

  function answer(exchange: Exchange): Reply {
    const { method, path } = exchange;
    if (!exchange.headers['user-agent']?.startsWith('Perennial'))
      return problem(400, 'malformed', 'All requests MUST include a User-Agent header.');
    if (method === 'GET' && path === '/directory') return { status: 200, body: directory };
    if (method === 'HEAD' && path === '/nonce') return { status: 200 };
    if (method === 'GET' && path.startsWith('/ari/')) return renewalInfo();
    if (method !== 'POST') return problem(405, 'malformed', 'Only POST.');
    try {
      return route(exchange, opened(exchange));
    } catch (error) {
      if (error instanceof Refusal) return problem(error.status, error.type, error.message);
      throw error;
    }
  }

  function route({ path }: Exchange, { payload, key, kid }: ReturnType<typeof opened>): Reply {
    const body = (payload === '' ? undefined : JSON.parse(payload)) as Body | undefined;
    if (path === '/account') return register(key, body?.onlyReturnExisting === true);
    if (kid === undefined) return problem(400, 'malformed', 'A key in place of an account.');
    if (path === '/order') return body ? newOrder(body) : problem(400, 'malformed', 'No order.');
    if (path === '/key-change') return changeKey(key, kid, payload);
    if (path === '/revoke') return revoke(body?.certificate ?? '');
    const [, kind = '', order = '0', at = '0'] = /^\/(\w+)\/(\d+)(?:\/(\d+))?$/.exec(path) ?? [];
    const one = server.orders[Number(order)];
    if (!one) return problem(404, 'malformed', 'No such order.');
    if (kind === 'order' && body === undefined) return orderOf(Number(order));
    if (kind === 'authz') return authorization(Number(order), Number(at), body);
    if (kind === 'chall' && body) return validate(Number(order), Number(at));
    if (kind === 'finalize' && body) return finalize(Number(order), body.csr ?? '');
    if (kind === 'cert' && body === undefined)
      return {
        status: 200,
        body: one.chainPem.join(''),
        headers: { 'content-type': 'application/pem-certificate-chain' },
      };
    return problem(400, 'malformed', 'No such thing.');
  }

  function register(key: JsonWebKey, isLookUp: boolean): Reply {
    const thumbprint = thumbprintOf(key);
    const known = [...keys].find(([, one]) => thumbprintOf(one) === thumbprint)?.[0];
    if (known === undefined && isLookUp) return problem(400, 'accountDoesNotExist', 'There is no such account.');
    if (known === undefined) server.accounts.push(thumbprint);
    const url = known ?? `${host}/account/${thumbprint}`;
    keys.set(url, key);
    return { status: known === undefined ? 201 : 200, body: { status: 'valid' }, headers: { location: url } };
  }

  /** RFC 8555 §7.3.5: the new key signs that it takes the place of the old one. */
  function changeKey(oldKey: JsonWebKey, kid: string, payload: string): Reply {
    const inner = JSON.parse(payload) as Record<'protected' | 'payload' | 'signature', string>;
    const head = JSON.parse(Buffer.from(inner.protected, 'base64url').toString()) as Header;
    const said = JSON.parse(Buffer.from(inner.payload, 'base64url').toString()) as {
      account: string;
      oldKey: JsonWebKey;
    };
    const { jwk = {} } = head;
    const publicKey = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
    const signed = Buffer.from(`${inner.protected}.${inner.payload}`);
    const isRight =
      verify('sha256', signed, publicKey, Buffer.from(inner.signature, 'base64url')) &&
      head.url === `${host}/key-change` &&
      head.nonce === undefined &&
      said.account === kid &&
      thumbprintOf(said.oldKey) === thumbprintOf(oldKey);
    if (!isRight) return problem(400, 'malformed', 'The change of the key is wrong.');
    keys.set(kid, jwk);
    server.accounts.push(thumbprintOf(jwk));
    return { status: 200 };
  }

  function newOrder({ identifiers = [], replaces, profile }: Body): Reply {
    if (replaces !== undefined && server.replaced.has(replaces))
      return problem(409, 'alreadyReplaced', 'The certificate has been replaced.');
    server.orders.push({ status: 'pending', identifiers, replaces, profile, chainPem: [] });
    const at = server.orders.length - 1;
    return { ...orderOf(at), status: 201, headers: { location: `${host}/order/${at}` } };
  }

  function orderOf(at: number): Reply {
    const order = server.orders[at] as Order;
    const authorizationUrls = order.identifiers.map((_, index) => authorizationOf(at, index));
    const states = authorizationUrls.map((url) => authorizations.get(url) ?? 'pending');
    if (order.status === 'pending' && states.every((state) => state === 'valid')) order.status = 'ready';
    if (order.status === 'pending' && states.some((state) => state !== 'pending' && state !== 'valid'))
      order.status = 'invalid';
    return {
      status: 200,
      body: {
        status: order.status,
        identifiers: order.identifiers,
        authorizations: authorizationUrls,
        finalize: `${host}/finalize/${at}`,
        ...(order.status === 'valid' && { certificate: `${host}/cert/${at}` }),
      },
    };
  }

  function authorization(order: number, at: number, body: object | undefined): Reply {
    const url = authorizationOf(order, at);
    if (body) authorizations.set(url, 'deactivated');
    const { value = '' } = server.orders[order]?.identifiers[at] ?? {};
    const status = authorizations.get(url) ?? 'pending';
    const error = { type: `${prefix}unauthorized`, detail: 'The answer is wrong.' };
    const challenge = (type: string) => ({
      type,
      url: `${host}/chall/${order}/${at}`,
      status: status === 'deactivated' ? 'pending' : status,
      token: `token-${order}-${at}`,
      ...(status === 'invalid' && { error }),
    });
    const isWildcard = value.startsWith('*.');
    const challenges = [
      ...(isWildcard ? [] : [challenge('http-01'), challenge('tls-alpn-01')]),
      challenge('dns-01'),
      { type: 'email-01', url: '' },
    ];
    const identifier = { type: 'dns', value: value.replace(/^\*\./, '') };
    return { status: 200, body: { identifier, status, challenges, ...(isWildcard && { wildcard: true }) } };
  }

  function validate(order: number, at: number): Reply {
    const account = server.accounts.at(-1) ?? '';
    const keyAuthorization = `token-${order}-${at}.${account}`;
    const digest = createHash('sha256').update(keyAuthorization).digest('base64url');
    const isRight = server.validates && (presented.has(keyAuthorization) || presented.has(digest));
    authorizations.set(authorizationOf(order, at), isRight ? 'valid' : 'invalid');
    return { status: 200, body: { type: 'http-01', url: `${host}/chall/${order}/${at}`, status: 'processing' } };
  }

  function finalize(at: number, csr: string): Reply {
    const order = server.orders[at] as Order;
    if (order.status !== 'ready') return problem(403, 'orderNotReady', 'The order is not ready.');
    const base64 = Buffer.from(csr, 'base64url').toString('base64');
    const csrPem = `-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----\n`;
    order.chainPem = [ca.sign(csrPem, 90), ca.issuingPem];
    const names = (new X509Certificate(order.chainPem[0] ?? '').subjectAltName ?? '').split(', ').sort();
    const wanted = order.identifiers.map(({ value }) => `DNS:${value}`).sort();
    if (String(names) !== String(wanted)) return problem(400, 'badCSR', 'The names differ from those of the order.');
    if (order.replaces !== undefined) server.replaced.add(order.replaces);
    order.status = 'valid';
    return { ...orderOf(at), body: { ...(orderOf(at).body as object), status: 'processing' } };
  }

  function revoke(certificate: string): Reply {
    const { serialNumber } = new X509Certificate(Buffer.from(certificate, 'base64url'));
    if (server.revoked.includes(serialNumber)) return problem(400, 'alreadyRevoked', 'It is revoked already.');
    server.revoked.push(serialNumber);
    return { status: 200 };
  }

  const withNonce = (exchange: Exchange): Reply => {
    const reply = answer(exchange);
    const nonce = randomBytes(12).toString('base64url');
    nonces.add(nonce);
    return { ...reply, headers: { ...reply.headers, 'replay-nonce': nonce } };
  };
  const server: AcmeServer = {
    standIn: await startStandIn(withNonce),
    directoryUrl: `${host}/directory`,
    orders: [],
    accounts: [],
    revoked: [],
    replaced: new Set(),
    validates: true,
    forget: () => keys.clear(),
  };
  return server;
}

const directory = {
  newNonce: `${host}/nonce`,
  newAccount: `${host}/account`,
  newOrder: `${host}/order`,
  revokeCert: `${host}/revoke`,
  keyChange: `${host}/key-change`,
  renewalInfo: `${host}/ari/`,
  meta: { termsOfService: 'https://acme.test/terms', profiles: { classic: 'The usual one.' } },
};

function thumbprintOf({ crv, kty, x, y }: JsonWebKey): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}

function renewalInfo(): Reply {
  const suggestedWindow = { start: '2026-05-01T00:00:00Z', end: '2026-05-03T00:00:00Z' };
  return { status: 200, body: { suggestedWindow }, headers: { 'retry-after': '21600' } };
}

function problem(status: number, type: string, detail: string): Reply {
  return { status, body: { type: prefix + type, detail }, headers: { 'content-type': 'application/problem+json' } };
}
