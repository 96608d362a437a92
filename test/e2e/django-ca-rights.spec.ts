import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commonName, DjangoClient, password, serialOf } from '../support/django-ca-client.js';
import type { Json } from '../support/json.js';
import { adminPassword, startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr } from '../support/requests.js';
import { routesOf } from '../support/routes.js';

/*
 * Who may use the routes of the dialect django-ca, as route-rights.spec.ts has it for REST. `stranger` holds no role,
 * `reader` may look at everything, `issuer` may issue from the authority and has asked for the certificate, `operator`
 * may issue from every authority, `admin` may do everything.
 */
const kinds = ['none', 'stranger', 'reader', 'issuer', 'operator', 'admin'] as const;
type Kind = (typeof kinds)[number];

/** What a route is asked with. */
interface Place {
  ca: string;
  certificate: string;
  slug: string;
}

interface Row {
  /** In the order of `kinds`. */
  answers: string;
  body?: () => object;
}

const request = () => ({ csr: opensslCsr('/CN=x', [], 'ec').csrPem, subject: commonName('rights.example.com') });

const table: Readonly<Record<string, Row>> = {
  'get /django_ca/api/ca': { answers: '401 200 200 200 200 200' },
  'get /django_ca/api/ca/:serial': { answers: '401 404 200 200 200 200' },
  'put /django_ca/api/ca/:serial': { answers: '401 404 403 403 403 200', body: () => ({}) },
  'post /django_ca/api/ca/:serial/sign': { answers: '401 404 403 200 200 200', body: request },
  'get /django_ca/api/ca/:serial/orders/:slug': { answers: '401 404 403 200 404 404' },
  'get /django_ca/api/ca/:serial/certs': { answers: '401 404 200 200 200 200' },
  'get /django_ca/api/ca/:serial/certs/:certificate': { answers: '401 404 200 200 200 200' },
  'post /django_ca/api/ca/:serial/certs/:certificate/resign': { answers: '401 404 403 200 403 200', body: () => ({}) },
  'post /django_ca/api/ca/:serial/certs/:certificate/revoke': { answers: '401 404 403 200 403 200', body: () => ({}) },
  'post /django_ca/api/ca/:serial/revoke/:certificate': { answers: '401 404 403 200 403 200', body: () => ({}) },
  'get /django_ca/api/profiles': { answers: '401 200 403 200 200 200' },
  'get /django_ca/api/profiles/:name': { answers: '401 200 403 200 200 200' },
};

let program: TestProgram;
let client: DjangoClient;
let ca: string;

beforeAll(async () => {
  program = await startProgram({ DIALECTS: 'django-ca', PERENNIAL_ROLE: 'api' });
  client = new DjangoClient(program);
  const owner = 'ca-team@example.com';
  const { authorityCertificate } = await program.ok('POST', '/authorities', {
    name: 'root',
    owner,
    commonName: 'Root',
  });
  ca = serialOf(authorityCertificate.body);
  await client.signUp('stranger');
  await client.signUp('reader', 'read-only', 'root_operator');
  await client.signUp('issuer', 'root_operator');
  await client.signUp('operator', 'operator');
});
afterAll(() => program.stop());

async function placed(): Promise<Place> {
  const order: Json = await client.ok('POST', `ca/${ca}/sign/`, request(), 'issuer');
  return { ca, certificate: order.serial, slug: order.slug };
}

async function status(route: string, { body }: Row, { ca: serial, ...place }: Place, kind: Kind): Promise<number> {
  const [method = '', path = ''] = route.split(' ');
  const names: Record<string, string> = { serial, name: 'webserver', ...place };
  const secret = kind === 'admin' ? adminPassword : password;
  const response = await fetch(`${program.url}${path.replaceAll(/:(\w+)/g, (_, name: string) => names[name] ?? '')}/`, {
    method: method.toUpperCase(),
    headers: {
      ...(kind !== 'none' && { authorization: `Basic ${Buffer.from(`${kind}:${secret}`).toString('base64')}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body()) }),
  });
  return response.status;
}

describe('the rights on routes of the dialect django-ca', () => {
  it('are those of a table that has every route of it, and no other', () => {
    const outside = / \/(api|pki|problems|health|healthcheck|metrics|\.well-known)(\/|$)| \/$/;
    expect(Object.keys(table).sort()).toEqual(
      routesOf(program)
        .filter((route) => !outside.test(route))
        .sort(),
    );
  });

  it.each(Object.entries(table))('decide who gets an answer of %s', async (route, row) => {
    const answers: number[] = [];
    // Each has a certificate of its own: what is revoked once is not revoked again.
    for (const kind of kinds) answers.push(await status(route, row, await placed(), kind));
    expect(answers.join(' ')).toBe(row.answers);
  });
});
