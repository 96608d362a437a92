import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestFor, type SigningCa, startSigningCa } from '../support/signing-ca.js';
import { DogtagCa, recorded } from './dogtag-ca.js';
import type { Exchange, Reply } from './stand-in.js';

let signing: SigningCa;
beforeAll(() => {
  signing = startSigningCa();
});
afterAll(() => signing.close());

const agent = `Basic ${Buffer.from('agent:agent-password').toString('base64')}`;

interface Call {
  method?: string;
  path: string;
  query?: string;
  body?: object | string;
  headers?: Record<string, string | undefined>;
}

/** A stand-in with a pending request 1 and a certificate of request 2, and a session of an agent. */
async function prepared(): Promise<{ ca: DogtagCa; cookie: string; certId: string; csrPem: string }> {
  const ca = new DogtagCa(signing);
  const { csrPem } = (await requestFor(['a.example.test'])).order.request;
  for (const profile of ['tlsManual', 'tlsAuto']) ask(ca, { path: 'certrequests', body: enrolment(profile, csrPem) });
  const login = ask(ca, { path: 'account/login' });
  const cookie = /JSESSIONID=[^;]+/.exec(login.headers?.['set-cookie'] ?? '')?.[0] ?? '';
  return { ca, cookie, certId: ca.certificates[0]?.id ?? '', csrPem };
}

function ask(ca: DogtagCa, { method, path, query = '', body, headers = {} }: Call): Reply {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const exchange: Exchange = {
    method: method ?? (text === '' ? 'GET' : 'POST'),
    path: `/ca/rest/${path}`,
    query: new URLSearchParams(query),
    search: query === '' ? '' : `?${query}`,
    headers: {
      accept: 'application/json',
      authorization: agent,
      ...(text !== '' && { 'content-type': 'application/json' }),
      ...headers,
    },
    text,
    bytes: Buffer.from(text),
    json: text === '' ? undefined : (JSON.parse(text) as unknown),
  };
  return ca.answer(exchange);
}

const enrolment = (profile: string, csrPem: unknown): object => ({
  ProfileID: profile,
  Renewal: false,
  Input: [
    {
      id: 'i1',
      Attribute: [
        { name: 'cert_request_type', Value: 'pkcs10' },
        { name: 'cert_request', Value: csrPem },
      ],
    },
  ],
});

const textOf = ({ body = '' }: Reply): string => (typeof body === 'string' ? body : JSON.stringify(body));
/** What an answer says, whatever its ids and nonces. */
function said(status: number, text: string): unknown {
  if (!text.startsWith('{')) return [status, text === '' ? 'empty' : text.startsWith('<') ? 'html' : 'text'];
  const json = JSON.parse(text.replaceAll(/-?\d{16,}/g, '0')) as Record<string, unknown>;
  if ('ClassName' in json)
    return [
      status,
      json.ClassName,
      String(json.Message).replaceAll(/0x[0-9a-f]+|#?[0-9a-f]{20,}|#?-?\d+|tls\w+|caServerCert/gi, '…'),
    ];
  return [status, Object.keys(json).sort()];
}

const review = ({ ca, cookie }: { ca: DogtagCa; cookie: string }, path: string): string =>
  textOf(ask(ca, { path: `agent/${path}`, headers: { cookie } }));
const nonceOf = (text: string): string => /"[Nn]once":"?(-?\d+)/.exec(text)?.[1] ?? '';

type Prepared = Awaited<ReturnType<typeof prepared>>;
const rounded = (nonce: string): string => String(BigInt(Number(nonce)));
const revoke = ({ ca, cookie, certId }: Prepared, nonce: string, reason = 'Superseded', own = cookie): Reply =>
  ask(ca, {
    path: `agent/certs/${certId}/revoke`,
    body: `{"Reason":"${reason}"${nonce === '' ? '' : `,"Nonce":${nonce}`}}`,
    headers: { cookie: own },
  });

/** Each recording, and how the stand-in is brought to the same answer. */
const exchanges: readonly (readonly [string, number, (p: Prepared) => Reply])[] = [
  ['10-profiles-cert-without-login-403', 0, ({ ca }) => ask(ca, { path: 'profiles', query: 'size=1' })],
  ['10-profiles-cert-without-login-403', 2, ({ ca, cookie }) => ask(ca, { path: 'profiles', headers: { cookie } })],
  ['12-profile-get', 0, ({ ca, cookie }) => ask(ca, { path: 'profiles/caServerCert', headers: { cookie } })],
  ...(['enable', 'disable', 'disable'] as const).map(
    (action, at) =>
      [
        '17-profile-state',
        at,
        ({ ca, cookie }: Prepared) => {
          if (at === 2) ca.disabled.add('tlsAuto');
          return ask(ca, { method: 'POST', path: 'profiles/tlsAuto', query: `action=${action}`, headers: { cookie } });
        },
      ] as const,
  ),
  [
    '17-profile-state',
    5,
    ({ ca, cookie }) =>
      ask(ca, { method: 'POST', path: 'profiles/tlsAuto', query: 'action=bogus', headers: { cookie } }),
  ],
  [
    '17-profile-state',
    6,
    ({ ca, cookie }) => ask(ca, { method: 'POST', path: 'profiles/tlsAuto', headers: { cookie } }),
  ],
  ['22-enroll-errors', 0, ({ ca, csrPem }) => ask(ca, { path: 'certrequests', body: enrolment('nope', csrPem) })],
  ['22-enroll-errors', 1, ({ ca }) => ask(ca, { path: 'certrequests', body: enrolment('tlsManual', 'not a csr') })],
  ['22-enroll-errors', 2, ({ ca }) => ask(ca, { path: 'certrequests', body: { ProfileID: 'tlsManual', Input: [] } })],
  ['22-enroll-errors', 3, ({ ca, csrPem }) => ask(ca, { path: 'certrequests', body: enrolment('tlsManual', csrPem) })],
  [
    '22-enroll-errors',
    6,
    ({ ca, csrPem }) =>
      ask(ca, {
        path: 'certrequests',
        body: enrolment('tlsManual', csrPem),
        headers: { 'content-type': 'text/plain' },
      }),
  ],
  [
    '22-enroll-errors',
    8,
    ({ ca, csrPem }) =>
      ask(ca, { path: 'certrequests', body: enrolment('tlsAuto', csrPem), headers: { authorization: undefined } }),
  ],
  ['23-request-get', 0, ({ ca }) => ask(ca, { path: 'certrequests/1' })],
  ['23-request-get', 2, ({ ca }) => ask(ca, { path: 'certrequests/99999' })],
  ['23-request-get', 3, ({ ca }) => ask(ca, { path: 'certrequests/abc' })],
  [
    '30-agent-review-request',
    0,
    ({ ca, cookie }) => {
      const reply = ask(ca, { path: 'agent/certrequests/1', headers: { cookie } });
      // The recorded review was made before anybody had written a note.
      const { requestNotes, ...body } = reply.body as Record<string, unknown>;
      expect(requestNotes).toBeNull();
      return { ...reply, body };
    },
  ],
  [
    '31-agent-review-unknown',
    0,
    ({ ca, cookie }) => ask(ca, { path: 'agent/certrequests/99999', headers: { cookie } }),
  ],
  ...[0, 1].map(
    (at) =>
      [
        '39-nonce-single-use',
        at,
        (p: Prepared) => {
          const reviewed = review(p, 'certrequests/1');
          const act = (): Reply =>
            ask(p.ca, { path: 'agent/certrequests/1/validate', body: reviewed, headers: { cookie: p.cookie } });
          return at === 0 ? act() : (act(), act());
        },
      ] as const,
  ),
  ['41-cert-not-found', 0, ({ ca }) => ask(ca, { path: 'certs/0xdeadbeef' })],
  ['51-revoke-errors', 0, (p) => revoke(p, nonceOf(review(p, `certs/${p.certId}`)), 'Superseded', '')],
  ['51-revoke-errors', 1, (p) => revoke(p, rounded(nonceOf(review(p, `certs/${p.certId}`))))],
  ['51-revoke-errors', 2, (p) => (review(p, `certs/${p.certId}`), revoke(p, ''))],
  ['51-revoke-errors', 3, (p) => revoke(p, nonceOf(review(p, `certs/${p.certId}`)), 'Nonsense')],
  [
    '51-revoke-errors',
    4,
    (p) => {
      const nonce = nonceOf(review(p, `certs/${p.certId}`));
      revoke(p, nonce, 'Nonsense');
      return revoke(p, nonce, 'superseded');
    },
  ],
  ['52-hold-unhold', 0, (p) => revoke(p, nonceOf(review(p, `certs/${p.certId}`)), 'Certificate_Hold')],
  [
    '52-hold-unhold',
    2,
    (p) => {
      revoke(p, nonceOf(review(p, `certs/${p.certId}`)), 'Certificate_Hold');
      return revoke(p, nonceOf(review(p, `certs/${p.certId}`)), 'Certificate_Hold');
    },
  ],
  ['52-hold-unhold', 5, ({ ca, certId }) => ask(ca, { method: 'POST', path: `agent/certs/${certId}/unrevoke` })],
];

describe('the stand-in for a Dogtag CA', () => {
  it.each(exchanges)('answers as the real one did in %s, exchange %i', async (file, at, act) => {
    const { response } = recorded(file, at);
    const reply = act(await prepared());
    expect(said(reply.status, textOf(reply))).toEqual(said(response.status, response.body_text));
  });

  it('gives nonces that JSON.parse would round', async () => {
    const p = await prepared();
    const nonces = Array.from({ length: 20 }, () => nonceOf(review(p, `certs/${p.certId}`)));
    expect(nonces.every((nonce) => rounded(nonce) !== nonce)).toBe(true);
  });

  it('answers in XML when no type is accepted, and knows no session after a restart', async () => {
    const { ca, cookie } = await prepared();
    const xml = ask(ca, { path: 'profiles/tlsAuto', headers: { accept: undefined, cookie } });
    expect(textOf(xml)).toMatch(/^<\?xml/);
    ca.forgetSessions();
    expect(ask(ca, { path: 'profiles', headers: { cookie } }).status).toBe(403);
  });
});
