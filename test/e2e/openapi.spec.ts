import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { problems } from '../../src/platform/http/problem.js';
import { fillProgram, type Ids } from '../support/filled-program.js';
import { ApiDocument, type Operation, ofIdentityProviders } from '../support/open-api.js';
import { type Answer, startProgram, type TestProgram } from '../support/program.js';
import { routesOf } from '../support/routes.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import type { Json } from '../support/json.js';

const folder = mkdtempSync(join(tmpdir(), 'openapi-'));
/** What a CA elsewhere is asked for; ca-administration.spec.ts looks at these answers. */
const atCa = /authorities.\{id\}.(profiles|requests|certificates|settings|organizations|persons)/;
/** They refer to what is there already, name a host, or are made safe, as those of certificates. */
const namesOfOtherKinds = new Set([
  'post /api/1/auth/login: username',
  'post /api/1/domains: name',
  'put /api/1/domains/{id}: name',
  'put /api/1/authorities/{id}: name',
  'post /api/1/certificates: name',
  'post /api/1/certificates/upload: name',
  'post /api/1/authorities/{id}/sign: name',
  'post /api/1/certificates/{id}/export: name',
  'post /api/1/verify: name',
  'post /api/1/certificates/{id}/verify: name',
]);
let program: TestProgram;
let api: ApiDocument;
let document: Json;
let ids: Ids;

beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, new ScriptedCa().plugin] });
  document = await program.ok('GET', '/openapi.json');
  api = new ApiDocument(document);
  ids = await fillProgram(program, folder);
});
afterAll(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

/** `/api/1/certificates/{id}/plan` with a real id, as `call` takes it. */
function real(path: string): string {
  return path
    .replace('/api/1', '')
    .replaceAll(
      /([a-z_]+)\/\{(\w+)\}/g,
      (_, things: string, name: string) => `${things}/${encodeURIComponent(ids[name] ?? ids[things] ?? 'missing')}`,
    );
}

function operationOf(method: string, path: string): Operation {
  return { name: `${method} ${path}`, method, path, words: document.paths[path][method] };
}

describe('the OpenAPI document', () => {
  it('has a version, valid references, unique operation ids and all parameters', () => {
    expect(document).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'Perennial', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      security: [{ bearer: [] }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    });
    for (const [, ref = ''] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      expect(
        ref
          .split('/')
          .slice(1)
          .reduce((node, key) => node?.[key], document),
        ref,
      ).toBeDefined();
    }
    const operationIds = api.operations.map(({ words }) => words.operationId);
    expect(new Set(operationIds).size).toBe(operationIds.length);
    for (const { name, path, words: operation } of api.operations) {
      expect(operation.summary, name).toEqual(expect.stringMatching(/\S/));
      const inPath = (operation.parameters ?? [])
        .filter((parameter: Json) => parameter.in === 'path')
        .map((parameter: Json) => parameter.name);
      expect(inPath.sort(), name).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter).sort());
      for (const parameter of operation.parameters ?? [])
        expect(parameter, name).toMatchObject({
          name: expect.any(String),
          in: expect.stringMatching(/^(path|query|header)$/),
          schema: expect.any(Object),
        });
      expect(
        Object.keys(operation.responses).every((status) => /^([1-5]\d\d|default)$/.test(status)),
        name,
      ).toBe(true);
      expect(Object.keys(operation.responses).length, name).toBeGreaterThan(1);
    }
    for (const name of Object.keys(document.components.schemas))
      expect(() => api.schemaOf({ $ref: `#/components/schemas/${name}` }), name).not.toThrow();
  });

  it('has every route of the program, and no other', () => {
    // Pages for people, numbers for monitoring, and files of other standards.
    const own = ['/api/1/docs', '/api/1/openapi.json', '/problems', '/metrics', '/.well-known/', '/pki/'];
    const described = new Set(api.operations.map(({ name }) => name.replaceAll(/\{(\w+)\}/g, ':$1')));
    const served = routesOf(program).filter((route) => route !== 'get /' && !own.some((path) => route.includes(path)));
    expect(served.length).toBeGreaterThan(40);
    expect(new Set(served)).toEqual(described);
  });

  it('bounds the characters of each name that a client gives to an object', () => {
    const unbounded = api.operations
      .filter(({ method }) => ['post', 'put'].includes(method))
      .flatMap(({ name, words }) => {
        const content = words.requestBody?.content['application/json'];
        const members = content ? api.resolve(content.schema).properties : undefined;
        return ['name', 'label', 'username']
          .filter((member) => members?.[member] && !JSON.stringify(members[member]).includes('"pattern":'))
          .map((member) => `${name}: ${member}`);
      });
    expect(new Set(unbounded)).toEqual(namesOfOtherKinds);
  });

  it('describes the header Idempotency-Key', () => {
    expect(document.paths['/api/1/certificates'].post.parameters).toContainEqual(
      expect.objectContaining({ in: 'header', name: expect.stringMatching(/^idempotency-key$/i), required: false }),
    );
  });

  it('describes the real answer of each GET', async () => {
    const asked: string[] = [];
    for (const operation of api.operations.filter(
      ({ method, name }) => method === 'get' && !ofIdentityProviders.includes(name) && !atCa.test(name),
    )) {
      const { name, path } = operation;
      const needed = (operation.words.parameters ?? [])
        .filter((p: Json) => p.in === 'query' && p.required)
        .map((p: Json) => `${p.name}=${p.schema.enum[0]}`);
      const answer = path.startsWith('/api/1')
        ? await program.call('GET', `${real(path)}${needed.length > 0 ? `?${needed.join('&')}` : ''}`)
        : await outside(real(path));
      expect(answer.status, `${name} ${real(path)} ${JSON.stringify(answer.body)}`).toBe(200);
      api.expectDescribed(operation, answer);
      asked.push(name);
    }
    expect(asked).toContain('get /api/1/certificates/{id}');
    for (const query of ['short=true', 'showExpired=true&count=200', 'lifecycle=failed', 'lifecycle=revoked']) {
      api.expectDescribed(
        operationOf('get', '/api/1/certificates'),
        await program.call('GET', `/certificates?${query}`),
      );
    }
  });

  it('describes the real answers to changes and refused requests', async () => {
    const { call } = program;
    const answered = async (method: string, path: string, body?: unknown): Promise<Answer> => {
      const answer = await call(method.toUpperCase(), real(path), body);
      api.expectDescribed(operationOf(method, path), answer);
      return answer;
    };
    const fresh = await answered('post', '/api/1/certificates', {
      owner: 'joe@example.com',
      commonName: 'new.example.com',
      authority: { name: 'root' },
    });
    expect(fresh.status).toBe(200);
    ids['certificates'] = fresh.body.id;
    expect((await answered('put', '/api/1/certificates/{id}', { description: 'x' })).status).toBe(200);
    expect((await answered('post', '/api/1/certificates/{id}/export', { plugin: { id: 'pem' } })).status).toBe(200);
    expect((await answered('post', '/api/1/certificates/{id}/reissue')).status).toBe(200);
    expect((await answered('post', '/api/1/certificates/{id}/reissue')).status).toBe(409);
    expect((await answered('put', '/api/1/certificates/{id}/revoke', {})).status).toBe(200);
    expect((await answered('post', '/api/1/destinations/{id}/test')).status).toBe(200);
    expect((await answered('put', '/api/1/policies/{id}', { name: 'half', days: 3 })).status).toBe(200);
    expect((await answered('delete', '/api/1/notifications/{id}')).status).toBe(200);
    expect((await answered('delete', '/api/1/destinations/{id}')).status).toBe(409);
    expect((await answered('post', '/api/1/certificates', { colour: 'red' })).status).toBe(400);
    expect((await answered('post', '/api/1/certificates', '{')).status).toBe(400);
    expect((await answered('post', '/api/1/auth/login', { username: 'ann', password: 'wrong' })).status).toBe(401);
  });
});

describe('HTML pages', () => {
  it('show the API, and explain each problem at the address that answers name', async () => {
    const docs = await fetch(`${program.url}/api/1/docs`);
    expect([docs.status, docs.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    const refused = await program.call('GET', '/certificates/4711');
    expect(new URL(refused.body.type).pathname).toBe('/problems/not-found');
    for (const [code, { help }] of Object.entries(problems)) {
      const page = await fetch(`${program.url}/problems/${code}`);
      expect([page.status, page.headers.get('content-type')], code).toEqual([
        200,
        expect.stringContaining('text/html'),
      ]);
      expect(await page.text(), code).toContain(help.slice(0, 12).replaceAll("'", '&#39;'));
    }
  });
});

async function outside(path: string): Promise<Answer> {
  const response = await fetch(`${program.url}${path}`, {
    headers: { authorization: `Bearer ${await program.login('admin', 'Correct-Horse-1!')}` },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text,
  };
}
