import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startToy, type ToyApp } from '../../../test/support/toy-app.js';
import { problems } from './problem.js';

let toy: ToyApp;
beforeAll(async () => {
  toy = await startToy();
});
afterAll(async () => {
  await toy.app.close();
});

const json = { 'content-type': 'application/json' };
const ask = (options: InjectOptions): Promise<LightMyRequestResponse> => toy.app.inject(options);
const get = (url: string): Promise<LightMyRequestResponse> => ask({ method: 'GET', url });
const make = (payload: unknown): Promise<LightMyRequestResponse> =>
  ask({
    method: 'POST',
    url: '/api/1/toys',
    headers: json,
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });

function expectProblem(response: LightMyRequestResponse, code: keyof typeof problems): Record<string, unknown> {
  const { status, title } = problems[code];
  expect(response.statusCode).toBe(status);
  expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  const body = response.json<Record<string, unknown>>();
  expect(body).toMatchObject({ type: `https://pki.example.org/problems/${code}`, title, status });
  expect(body['message']).toBe(body['detail']);
  expect(body['instance']).toBe(`urn:uuid:${String(response.headers['x-request-id'])}`);
  return body;
}

describe('what goes wrong before a handler runs', () => {
  it('tells an unknown path from a wrong method, whoever asks', async () => {
    expectProblem(await get('/api/1/nothing'), 'not-found');
    expectProblem(await get('/api/1/toys/1/wheels'), 'not-found');
    const wrong = await ask({ method: 'PUT', url: '/api/1/toys/7?x=1' });
    expectProblem(wrong, 'method-not-allowed');
    expect(wrong.headers['allow']).toBe('DELETE, GET, HEAD');
    expectProblem(await ask({ method: 'OPTIONS', url: '/health/live' }), 'method-not-allowed');
  });

  it('does not repeat the address in the answer', async () => {
    expect((await get('/api/1/nothing?token=abc')).body).not.toContain('abc');
  });

  it('says what to ask instead of an answer of more than 64 MiB', async () => {
    expectProblem(await get('/api/1/toys/70000000'), 'invalid-request');
    expect((await get('/api/1/toys/2000000')).body.length).toBeGreaterThan(2_000_000);
  });

  it('refuses a body of 2 MB', async () => {
    expectProblem(await make({ name: 'x'.repeat(2_000_000) }), 'too-large');
  });

  it.each([
    ['application/x-www-form-urlencoded', 'name=car'],
    ['text/plain', 'car'],
    ['nonsense', 'car'],
  ])('refuses %s', async (type, payload) => {
    expectProblem(
      await ask({ method: 'POST', url: '/api/1/toys', headers: { 'content-type': type }, payload }),
      'unsupported-media-type',
    );
  });

  it.each([
    [{ 'content-encoding': 'gzip' }, 'gzip'],
    [{ 'content-type': 'application/json; charset=iso-8859-1' }, 'iso-8859-1'],
    [{ 'content-type': 'application/json;charset="UTF-16"' }, 'UTF-16'],
  ])('refuses a body with the header %j', async (headers, named) => {
    const refused = await ask({ method: 'POST', url: '/api/1/toys', headers: { ...json, ...headers }, payload: '{}' });
    expect(expectProblem(refused, 'unsupported-media-type')['detail']).toContain(named);
  });

  it.each(['application/json; charset=utf-8', 'application/json;charset="UTF-8"', 'APPLICATION/JSON'])(
    'accepts %s',
    async (type) => {
      const headers = { 'content-type': type, 'content-encoding': 'identity' };
      const made = await ask({ method: 'POST', url: '/api/1/toys', headers, payload: '{"name":"Bär"}' });
      expect(made.json()).toMatchObject({ name: 'Bär' });
    },
  );

  it('refuses octets that are not UTF-8', async () => {
    const payload = Buffer.from('{"name":"Bär"}', 'latin1');
    const refused = await ask({ method: 'POST', url: '/api/1/toys', headers: json, payload });
    expect(expectProblem(refused, 'malformed-body')['detail']).toContain('UTF-8');
  });

  it('refuses an address that is not encoded correctly', async () => {
    expectProblem(await get('/api/1/toys/named/%zz'), 'invalid-request');
  });

  it.each(['{"name":', '', '[]', '"text"', 'null', '7'])('refuses the body %j', async (payload) => {
    expectProblem(await make(payload), 'malformed-body');
  });

  it('refuses a missing body where one is needed, and only there', async () => {
    expectProblem(await ask({ method: 'POST', url: '/api/1/toys' }), 'malformed-body');
    expect((await ask({ method: 'DELETE', url: '/api/1/toys/1' })).statusCode).toBe(204);
    expect((await ask({ method: 'DELETE', url: '/api/1/toys/1', headers: json, payload: '' })).statusCode).toBe(204);
    expectProblem(
      await ask({ method: 'DELETE', url: '/api/1/toys/1', headers: json, payload: '{"note":1}' }),
      'invalid-request',
    );
  });
});

describe('input', () => {
  it('accepts both spellings of a key, and leaves those of a plugin alone', async () => {
    const response = await make({
      name: 'car',
      made_at: '2026-01-01T00:00:00Z',
      wheels: [{ diameter_mm: 3 }],
      plugin: { slug: 's', options: { access_key: { inner_key: 1 } } },
    });
    expect(response.json()).toEqual({
      id: 1,
      name: 'car',
      madeAt: '2026-01-01T00:00:00Z',
      wheels: [{ diameterMm: 3, spare: false }],
      plugin: { slug: 's', options: { access_key: { inner_key: 1 } } },
    });
  });

  it('names every field that is wrong', async () => {
    const body = expectProblem(
      await make({
        email: 'no',
        wheels: [{ diameter_mm: 'three' }, { diameterMm: 0, spare: 1 }],
        colour: 'green',
        made_at: 'now',
        not_known: 1,
        plugin: { slug: 1, options: {}, extra: 1 },
      }),
      'invalid-request',
    );
    expect(body['reasons']).toEqual({
      name: ['Required'],
      email: ['Expected an email address'],
      madeAt: ['Expected a time such as 2026-05-01T00:00:00Z'],
      'wheels.0.diameterMm': ['Expected a number'],
      'wheels.1.diameterMm': ['Expected at least 1'],
      'wheels.1.spare': ['Expected true or false'],
      colour: ['Expected one of "red", "blue"'],
      'plugin.slug': ['Expected text'],
      'plugin.extra': ['Unknown field'],
      notKnown: ['Unknown field'],
    });
    expect(body['detail']).toMatch(/^name: Required \(and 9 more\)$/);
  });

  it('names a hundred faults at most, and is not confused by names that every object has', async () => {
    const many = expectProblem(
      await make({ name: 'x', wheels: Array.from({ length: 5000 }, () => ({})), constructor: 1 }),
      'invalid-request',
    );
    expect(Object.keys(many['reasons'] as object)).toHaveLength(100);
    const odd = expectProblem(await make({ name: 'x', constructor: 1, toString: 2 }), 'invalid-request');
    expect(odd['reasons']).toEqual({ constructor: ['Unknown field'], toString: ['Unknown field'] });
  });

  it.each([
    ['{"name":"a\\u0000b"}', 'name'],
    ['{"name":"x","plugin":{"slug":"s","options":{"deep":["\\u0000"]}}}', 'plugin.options.deep.0'],
    ['{"name":"x","plugin":{"slug":"s","options":{"__proto__":{"admin":true}}}}', 'plugin.options'],
    ['{"__proto__":{"name":"x"}}', 'body'],
    ['{"name":"x","made_at":"a","madeAt":"b"}', 'madeAt'],
    ['{"name":"x","name":"y"}', 'name'],
    ['{"name":"x","plugin":{"slug":"s","options":{"a":[{"b":1,"\\u0062":2}]}}}', 'plugin.options.a.0.b'],
    ['{"name":"a\\ud800b"}', 'name'],
    ['{"name":"x","plugin":{"slug":"s","options":{"deep":["\\udc00\\ud800"]}}}', 'plugin.options.deep.0'],
    ['{"name":"x","plugin":{"slug":"s","options":{"\\ud800":1}}}', 'plugin.options'],
    [`{"name":${'['.repeat(500_000)}${']'.repeat(500_000)}}`, 'name.0.0'],
  ])('refuses %.80s', async (payload, field) => {
    const body = expectProblem(await make(payload), 'invalid-request');
    expect(Object.keys(body['reasons'] as object)).toEqual([field]);
  });

  it.each(['x', '0', '-1', '1.5', '2147483648', '01', '1e3', '%31x', '99999999999999999999'])(
    'refuses the id %s',
    async (id) => {
      expect(expectProblem(await get(`/api/1/toys/${id}`), 'invalid-request')['reasons']).toHaveProperty('id');
    },
  );

  it('accepts the largest id', async () => {
    expect((await get('/api/1/toys/2147483647')).json()).toMatchObject({ id: 2147483647 });
  });

  it('refuses NUL in a path and in a query', async () => {
    expect(expectProblem(await get('/api/1/toys/named/a%00b'), 'invalid-request')['reasons']).toHaveProperty('name');
    expect(expectProblem(await get('/api/1/toys?sortBy=a%00b'), 'invalid-request')['reasons']).toHaveProperty('sortBy');
  });

  it('reads a query: numbers, booleans, both spellings, empty values as absent', async () => {
    expect(
      (await get('/api/1/toys?page=2&count=200&broken=0&sort_by=name&sort_dir=desc&filter=')).json(),
    ).toMatchObject({ query: { page: 2, count: 200, broken: false, sortBy: 'name', sortDir: 'desc' } });
    expect((await get('/api/1/toys')).json()).toMatchObject({ query: { page: 1, count: 10 } });
  });

  it.each([
    ['count=1001', 'count'],
    ['count=0', 'count'],
    ['page=x', 'page'],
    ['page=1&page=2', 'page'],
    ['sort_by=name&sort_by=name', 'sortBy'],
    ['broken=perhaps', 'broken'],
    ['other=1', 'other'],
    ['filter=name', 'filter'],
    ['sortDir=up', 'sortDir'],
    ['after=AAAA', 'after'],
  ])('refuses the query %s', async (query, field) => {
    expect(
      Object.keys(expectProblem(await get(`/api/1/toys?${query}`), 'invalid-request')['reasons'] as object),
    ).toEqual([field]);
  });
});

describe('what goes wrong in a handler', () => {
  it.each([
    ['problem', 'wrong-state', 'It is broken.'],
    ['misconfigured', 'plugin-misconfigured', 'No such bucket.'],
    ['refused', 'plugin-refused', 'The CA says no.'],
    ['unavailable', 'plugin-unavailable', 'The CA is busy.'],
    ['framework', 'forbidden', undefined],
    ['teapot', 'invalid-request', undefined],
    ['gateway', 'internal', undefined],
    ['bug', 'internal', undefined],
    ['text', 'internal', undefined],
    ['nothing', 'internal', undefined],
  ] as const)('%s is %s', async (how, code, detail) => {
    const response = await get(`/api/1/toys/fail/${how}`);
    const body = expectProblem(response, code);
    expect(body['detail']).toBe(detail ?? problems[code].title);
    expect(response.body).not.toContain('hunter2');
  });

  it('says when to come back, in whole seconds', async () => {
    expect((await get('/api/1/toys/fail/busy')).headers['retry-after']).toBe('2');
    expect((await get('/api/1/toys/fail/unavailable')).headers['retry-after']).toBe('17');
  });

  it('asks for a token', async () => {
    expect((await get('/api/1/toys/fail/unauthenticated')).headers['www-authenticate']).toBe('Bearer');
  });

  it('writes the cause of what nobody foresaw to the log, beside the same id', async () => {
    const { headers } = await get('/api/1/toys/fail/bug');
    const line = toy.lines.find(
      (one) => one['msg'] === 'request failed' && one['requestId'] === headers['x-request-id'],
    );
    expect(line).toMatchObject({
      level: 'error',
      route: '/api/1/toys/fail/:how',
      err: { message: 'hunter2 in the stack' },
    });
  });
});

describe('every answer', () => {
  it('carries the id of the request: the client’s own if it is a UUID', async () => {
    const id = '0f8fad5b-d9cb-469f-a165-70867728950e';
    const asked = (given: string): Promise<LightMyRequestResponse> =>
      ask({ method: 'GET', url: '/health/live', headers: { 'x-request-id': given } });
    expect((await asked(id)).headers['x-request-id']).toBe(id);
    expect((await asked('my-id\u00e9"}')).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('tells browsers what to refuse, and caches nothing of the API', async () => {
    const api = (await get('/api/1/nothing')).headers;
    expect(api).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
      'strict-transport-security': 'max-age=31536000',
    });
    expect(api['content-security-policy']).toContain("default-src 'none'");
    expect((await get('/health/live')).headers).not.toHaveProperty('cache-control');
    for (const path of ['/api/1/toys/1', '/%61pi/1/toys/1', '/api/%31/toys/1', '/api/1/%74oys/1?a=b', '/%61pi/1/docs'])
      expect((await get(path)).headers, path).toMatchObject({ 'cache-control': 'no-store' });
    expect((await get('/%61pi/1/toys/1')).statusCode).toBe(200);
    expect((await get('/%zz')).headers).toMatchObject({ 'cache-control': 'no-store' });
    expect((await get('/%61pi/1/docs')).headers['content-security-policy']).toContain("style-src 'self'");
  });

  it('names the methods of a path however the path is spelled', async () => {
    for (const path of ['/api/1/toys/1', '/%61pi/1/toys/1']) {
      const { statusCode, headers } = await ask({ method: 'PUT', url: path });
      expect([statusCode, headers['allow']], path).toEqual([405, 'DELETE, GET, HEAD']);
    }
  });

  it('is one line in the log, without the address', async () => {
    const { headers } = await get('/api/1/toys/named/top-secret?token=abc');
    const lines = toy.lines.filter((line) => line['requestId'] === headers['x-request-id']);
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'info',
        msg: 'request',
        method: 'GET',
        route: '/api/1/toys/named/:name',
        status: 200,
      }),
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/top-secret|abc/);
  });

  it('is counted by pattern, never by address', async () => {
    await get('/api/1/toys/41');
    await get('/api/1/who-knows');
    const { body, headers } = await get('/metrics');
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(body).toMatch(
      /perennial_http_request_duration_seconds_count\{method="GET",route="\/api\/1\/toys\/:id",status="200"\} \d/,
    );
    expect(body).toContain('route="unknown",status="404"');
    expect(body).not.toMatch(/toys\/41|who-knows/);
    expect(body).toContain('process_cpu_seconds_total');
  });

  it('to HEAD is that to GET without a body', async () => {
    const head = (url: string): Promise<LightMyRequestResponse> => ask({ method: 'HEAD', url });
    expect(await head('/api/1/toys/1')).toMatchObject({ statusCode: 200, body: '' });
    expect((await head('/api/1/toys/x')).statusCode).toBe(400);
    expect((await head('/api/1/nothing')).statusCode).toBe(404);
  });
});
