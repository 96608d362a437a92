import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startToy, type ToyApp, toySurface } from '../../../test/support/toy-app.js';
import { platformSurfaces } from './platform-surfaces.js';
import { Problem } from './problem.js';
import { Surfaces } from './surfaces.js';

/** What each surface accepts and sends, as one table. A new surface is a new row. */
const table = [
  // prefix, media types, bytes, sign-in, audience, log, cache-control
  ['/api/1', 'application/json', 1_048_576, true, 'clients', 'info', 'no-store'],
  ['/api/1/auth', 'application/json', 16_384, true, 'clients', 'info', 'no-store'],
  ['/api/1/docs', '', 16_384, false, 'clients', 'info', 'no-store'],
  ['/health', '', 16_384, false, 'monitoring', 'debug', undefined],
  ['/metrics', '', 16_384, false, 'monitoring', 'debug', undefined],
  ['/problems', '', 16_384, false, 'everyone', 'info', undefined],
  ['/.well-known/acme-challenge', '', 16_384, false, 'clients', 'info', 'no-store'],
  ['/', '', 16_384, false, 'clients', 'info', 'no-store'],
] as const;

describe('the surfaces of the program', () => {
  it('are those of the table', () => {
    const rows = platformSurfaces.map((surface) => [
      surface.prefix,
      Object.keys(surface.parsers).join(' '),
      surface.maxBodyBytes,
      surface.authenticator !== null,
      surface.audience,
      surface.logLevel,
      surface.headers['cache-control'],
    ]);
    expect(rows).toEqual(table);
  });

  it.each(platformSurfaces.map((surface) => [surface.prefix, surface] as const))(
    '%s renders errors as problem+json, and runs no scripts of others',
    (_prefix, surface) => {
      const context = {
        publicUrl: 'https://pki.example.org',
        requestId: '0f8fad5b-d9cb-469f-a165-70867728950e',
        method: 'POST',
      };
      const answer = surface.renderError(new Problem('conflict', 'Taken.', { reasons: { name: ['Taken'] } }), context);
      expect(answer.status).toBe(409);
      expect(answer.headers).toEqual({ 'content-type': 'application/problem+json; charset=utf-8' });
      expect(JSON.parse(answer.body.toString())).toEqual({
        type: 'https://pki.example.org/problems/conflict',
        title: 'This clashes with something that exists.',
        status: 409,
        detail: 'Taken.',
        message: 'Taken.',
        instance: 'urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e',
        reasons: { name: ['Taken'] },
      });
      expect(surface.headers['content-security-policy']).toMatch(
        /^default-src '(none|self)'; .*frame-ancestors 'none'$/,
      );
    },
  );

  it.each([
    ['/api/1/certificates/:id', '/api/1'],
    ['/api/1', '/api/1'],
    ['/api/10', '/'],
    ['/api/1/auth/login', '/api/1/auth'],
    ['/api/1/authorities', '/api/1'],
    ['/api/1/docs/*', '/api/1/docs'],
    ['/api/1/openapi.json', '/api/1'],
    ['/health/ready', '/health'],
    ['/healthcheck', '/'],
    ['/metrics', '/metrics'],
    ['/metricsx', '/'],
    ['/', '/'],
    ['', '/'],
  ])('take the path %j by the longest prefix: %s', (path, prefix) => {
    expect(new Surfaces(platformSurfaces).ofPath(path).prefix).toBe(prefix);
  });

  it.each([
    ['/toybox/', '/toybox'],
    ['/toybox/a/?b=/', '/toybox/a?b=/'],
    ['/toyb%6fx/a/', '/toyb%6fx/a'],
    ['/toybox/a//', '/toybox/a/'],
    ['/toybox?a=/', '/toybox?a=/'],
    ['/api/1/certificates/', '/api/1/certificates/'],
    ['/', '/'],
  ])('route %s as %s where the surface ignores the slash at the end', (url, routed) => {
    const tolerant = { ...toySurface, ignoresTrailingSlash: true as const };
    expect(new Surfaces([...platformSurfaces, tolerant]).routed(url)).toBe(routed);
  });

  it('cannot share a prefix, and leave no path out', () => {
    expect(() => new Surfaces([...platformSurfaces, { ...toySurface, prefix: '/health' }])).toThrow('same prefix');
    expect(() => new Surfaces([toySurface])).toThrow('No surface has the prefix "/".');
  });

  it('answer early only what everybody may ask', () => {
    const early = { ...toySurface, early: Symbol('early') };
    expect(() => new Surfaces([...platformSurfaces, early])).not.toThrow();
    expect(() => new Surfaces([...platformSurfaces, { ...early, authenticator: Symbol('users') }])).toThrow(
      'not everybody may ask it',
    );
  });
});

describe('a surface that is added as one value', () => {
  let toy: ToyApp;
  beforeAll(async () => {
    toy = await startToy();
  });
  afterAll(() => toy.app.close());

  const ask = (options: InjectOptions): Promise<LightMyRequestResponse> => toy.app.inject(options);
  const send = (type: string, payload: string, url = '/toybox'): Promise<LightMyRequestResponse> =>
    ask({ method: 'POST', url, headers: { 'content-type': type }, payload });

  it('reads its own media type, and the other surfaces do not', async () => {
    expect((await send('application/toy', 'AB')).json()).toEqual({ toy: '4142' });
    expect(await send('application/json', '{}')).toMatchObject({
      statusCode: 418,
      body: 'unsupported-media-type: This path does not accept application/json.',
    });
    expect((await send('application/toy', '{}', '/api/1/toys')).json()).toMatchObject({
      status: 415,
      detail: 'This path does not accept application/toy.',
    });
    expect(await send('text/plain', '{}')).toMatchObject({ statusCode: 418 });
  });

  it('has its own bound', async () => {
    expect((await send('application/toy', 'x'.repeat(100))).statusCode).toBe(201);
    expect((await send('application/toy', 'x'.repeat(101))).body).toMatch(/^too-large: /);
  });

  it.each(['/toybox/fail/bug', '/toybox/nothing', '/%74oybox/nothing', '/toybox/%zz'])(
    'renders the errors of %s in its own way',
    async (url) => {
      const { statusCode, body, headers } = await ask({ method: 'GET', url });
      expect(statusCode).toBe(418);
      expect(body).toMatch(/^(internal|not-found|invalid-request): /);
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    },
  );

  it('sends its own headers, but has no unknown path cached', async () => {
    expect((await send('application/toy', 'AB')).headers).toMatchObject({
      'cache-control': 'max-age=60',
      'x-content-type-options': 'nosniff',
    });
    expect((await ask({ method: 'GET', url: '/toybox' })).headers).toMatchObject({ allow: 'POST' });
  });

  it('logs at its own level', async () => {
    const { headers } = await send('application/toy', 'AB');
    expect(toy.lines).toContainEqual(
      expect.objectContaining({ level: 'debug', msg: 'request', route: '/toybox', requestId: headers['x-request-id'] }),
    );
  });
});

describe('the root', () => {
  it('leads a browser to the documentation, whatever path a proxy serves the program under', async () => {
    const toy = await startToy();
    const { statusCode, headers } = await toy.app.inject('/');
    expect([statusCode, headers.location]).toEqual([302, 'api/1/docs']);
    expect((await toy.app.inject('/api/1/docs')).statusCode).toBe(200);
    expect((await toy.app.inject('/anything')).statusCode).toBe(404);
    await toy.app.close();
  });
});
