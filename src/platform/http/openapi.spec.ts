import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startToy, type ToyApp } from '../../../test/support/toy-app.js';
import { jsonSchemaOf, shareSchemas } from './json-schema.js';
import { problems } from './problem.js';
import type { Json } from '../../../test/support/json.js';

let toy: ToyApp;
let document: Record<string, Json>;

beforeAll(async () => {
  toy = await startToy();
  document = (await toy.app.inject('/api/1/openapi.json')).json();
});
afterAll(async () => {
  await toy.app.close();
});

const page = async (url: string): Promise<string> => {
  const response = await toy.app.inject(url);
  expect(response.statusCode, url).toBe(200);
  return response.body;
};

describe('the OpenAPI document', () => {
  it('is of version 3.1, and every reference in it leads somewhere', () => {
    expect(document).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'Perennial' },
      servers: [{ url: 'https://pki.example.org' }],
    });
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref ?? '');
    expect(refs.length).toBeGreaterThan(5);
    for (const ref of refs)
      expect(
        ref
          .split('/')
          .slice(1)
          .reduce((node, key) => node?.[key], document),
        ref,
      ).toBeDefined();
    expect(JSON.stringify(document)).not.toMatch(/\$defs|\$schema|:input|:output/);
  });

  it('has the named schemas once, and both sides of one that has defaults', () => {
    expect(Object.keys(document['components'].schemas)).toEqual([
      'Alive',
      'Problem',
      'Ready',
      'Toy',
      'ToyRequest',
      'Wheel',
      'WheelInput',
    ]);
    expect(document['components'].schemas.Toy.properties.wheels.items).toEqual({ $ref: '#/components/schemas/Wheel' });
    expect(document['components'].schemas.ToyRequest.properties.wheels.items).toEqual({
      $ref: '#/components/schemas/WheelInput',
    });
    expect(document['components'].schemas.Wheel.required).toEqual(['diameterMm', 'spare']);
    expect(document['components'].schemas.WheelInput.required).toEqual(['diameterMm']);
  });

  it('describes bodies, parameters, answers and problems', () => {
    const { get, post } = document['paths']['/api/1/toys'];
    expect(post.requestBody).toEqual({
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/ToyRequest' } } },
    });
    expect(Object.keys(post.responses)).toEqual(['200', '202', 'default']);
    expect(post.responses['202']).not.toHaveProperty('content');
    expect(post.responses.default.content).toHaveProperty(['application/problem+json']);
    expect(get.parameters).toContainEqual(
      expect.objectContaining({
        name: 'count',
        in: 'query',
        required: false,
        schema: expect.objectContaining({ type: 'integer', minimum: 1, maximum: 1000, default: 10 }),
      }),
    );
    expect(get.parameters).toContainEqual(
      expect.objectContaining({
        name: 'broken',
        schema: { type: 'boolean', description: 'Only those that are broken.' },
      }),
    );
    expect(document['paths']['/api/1/toys/{id}'].get.parameters).toEqual([
      { name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1, maximum: 2147483647 } },
    ]);
    expect(document['paths']['/api/1/toys/{id}'].delete.requestBody.required).toBe(false);
  });

  it('demands a token except where none is needed', () => {
    expect(document['security']).toEqual([{ bearer: [] }]);
    expect(document['paths']['/health/live'].get.security).toEqual([]);
    expect(document['paths']['/api/1/toys'].get).not.toHaveProperty('security');
  });

  it('accepts what the server really answers', async () => {
    const { schema } = document['paths']['/api/1/toys/{id}'].get.responses['200'].content['application/json'];
    const parser = z.fromJSONSchema(
      JSON.parse(
        JSON.stringify({ $defs: document['components'].schemas, ...schema }).replaceAll(
          '#/components/schemas/',
          '#/$defs/',
        ),
      ),
    );
    const answer = (await toy.app.inject('/api/1/toys/3')).json<object>();
    expect(parser.safeParse(answer).success).toBe(true);
    expect(parser.safeParse({ ...answer, secret: 1 }).success).toBe(false);
  });
});

describe('names of schemas', () => {
  const inner = z.strictObject({ a: z.int().default(1) }).meta({ id: 'Inner' });
  const outer = z.strictObject({ inner }).meta({ id: 'Outer' });
  const documentOf = (schema: object): never => ({ paths: { '/': schema } }) as never;

  it('have two sides when something inside has', () => {
    const shared = shareSchemas(documentOf({ in: jsonSchemaOf(outer, 'input'), out: jsonSchemaOf(outer, 'output') }));
    expect(shared.components?.schemas).toMatchObject({
      OuterInput: { properties: { inner: { $ref: '#/components/schemas/InnerInput' } } },
      Outer: { properties: { inner: { $ref: '#/components/schemas/Inner' } } },
    });
    expect(shared.paths['/']).toEqual({
      in: { $ref: '#/components/schemas/OuterInput' },
      out: { $ref: '#/components/schemas/Outer' },
    });
  });

  it('must not be given twice', () => {
    const first = { $ref: '#/$defs/A:output', $defs: { 'A:output': { type: 'string' } } };
    const second = { $ref: '#/$defs/A:output', $defs: { 'A:output': { type: 'number' } } };
    expect(() => shareSchemas(documentOf({ first, second }))).toThrow('Two schemas are called A.');
  });
});

describe('pages for people', () => {
  it('the API page and all its parts come from this server', async () => {
    const html = await page('/api/1/docs');
    const urls = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '');
    expect(urls.length).toBeGreaterThanOrEqual(5);
    for (const url of urls) {
      expect(url).toMatch(/^\.\/docs\//);
      await page(`/api/1/${url}`);
    }
    expect(html.replaceAll(/xmlns(:xlink)?="[^"]*"/g, '')).not.toMatch(/https?:|\/\/\w/);
    expect(await page('/api/1/docs/swagger-ui-init.js')).toContain('"validatorUrl": null');
    expect(await page('/api/1/docs/swagger-ui.css')).not.toMatch(/url\(["']?(https?:)?\/\//);
  });

  it('the API page may load nothing from elsewhere, and runs no inline script', async () => {
    const policy = String((await toy.app.inject('/api/1/docs')).headers['content-security-policy']);
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/script-src|https?:|\*/);
    expect(await page('/api/1/docs')).not.toMatch(/<script(?![^>]*src=)/);
  });

  it('serves no file but those of the page', async () => {
    for (const url of [
      '/api/1/docs/../package.json',
      '/api/1/docs/%2e%2e/express/package.json',
      '/api/1/docs/..%2f..%2fzod/package.json',
    ]) {
      expect((await toy.app.inject(url)).statusCode, url).toBeGreaterThanOrEqual(400);
    }
  });

  it('every problem has one', async () => {
    const list = await page('/problems');
    for (const [code, { title, help }] of Object.entries(problems)) {
      expect(list).toContain(`href="problems/${code}"`);
      const html = await page(`/problems/${code}`);
      expect(html).toContain(title.replaceAll("'", '&#39;'));
      expect(html).toContain(help.replaceAll('<', '&#60;').replaceAll('>', '&#62;').replaceAll("'", '&#39;'));
      expect(html).not.toMatch(/<script|<token>/);
    }
    for (const unknown of ['none', 'constructor', '__proto__', '%3Cscript%3E'])
      expect((await toy.app.inject(`/problems/${unknown}`)).statusCode).toBe(404);
  });
});
