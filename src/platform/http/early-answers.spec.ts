import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { answerEarly, type EarlyResponder } from './early-answers.js';
import { platformSurfaces } from './platform-surfaces.js';
import type { Surface } from './surface.js';
import { Surfaces } from './surfaces.js';

const quick: Surface = {
  prefix: '/quick',
  parsers: { 'application/toy': (body) => body },
  maxBodyBytes: 10,
  authenticator: null,
  renderError: () => ({ status: 500, headers: {}, body: '' }),
  headers: {},
  audience: 'clients',
  logLevel: 'debug',
};
const toy = { 'content-type': 'application/toy' };

describe('answerEarly', () => {
  const answer = vi.fn<EarlyResponder['answer']>();
  const finished: string[] = [];
  let server: FastifyInstance;

  /** Its routes say that they were reached. */
  beforeEach(async () => {
    answer.mockReset().mockImplementation((_, body) => ({ status: 200, headers: { etag: '"1"' }, body }));
    finished.length = 0;
    server = fastify();
    server.addContentTypeParser(['application/toy', 'text/plain'], { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    answerEarly(server, new Surfaces([...platformSurfaces, quick]), new Map([[quick, { answer }]]));
    server.addHook('onSend', (_request, reply, payload, done) => {
      void reply.header('x-hook', 'sent');
      done(null, payload);
    });
    server.addHook('onResponse', ({ method }, _reply, done) => {
      finished.push(method);
      done();
    });
    for (const url of ['/quick', '/quick/*', '/slow'])
      server.route({ method: ['GET', 'POST', 'PUT'], url, handler: (_, reply) => reply.send('route') });
    await server.listen({ port: 0, host: '127.0.0.1' });
  });
  afterEach(() => server.close());

  const url = (path: string): string => `http://127.0.0.1:${(server.server.address() as { port: number }).port}${path}`;
  const talk = async (...parts: string[]): Promise<string> => {
    const socket = connect(Number(new URL(url('/')).port), '127.0.0.1');
    let said = '';
    socket.on('data', (data) => (said += data.toString()));
    for (const part of parts) {
      socket.write(part);
      await sleep(20);
    }
    socket.end();
    await once(socket, 'close');
    return said;
  };

  it.each<[string, string, RequestInit, string]>([
    ['a GET', '/quick', {}, ''],
    ['a GET below', '/quick/x?y=1', {}, ''],
    ['a POST of a media type that the surface accepts', '/quick', { method: 'POST', headers: toy, body: 'abc' }, 'abc'],
    ['a POST of nothing', '/quick', { method: 'POST', headers: toy, body: '' }, ''],
    ['a POST of the greatest length', '/quick', { method: 'POST', headers: toy, body: '0123456789' }, '0123456789'],
  ])('answers %s without its route, and runs the other hooks', async (_, path, init, body) => {
    const response = await fetch(url(path), init);
    expect([response.status, await response.text()]).toEqual([200, body]);
    expect([response.headers.get('x-hook'), response.headers.get('etag')]).toEqual(['sent', '"1"']);
    expect(finished).toEqual([init.method ?? 'GET']);
  });

  it.each<[string, string, RequestInit]>([
    ['a request for another surface', '/slow', {}],
    ['a HEAD', '/quick', { method: 'HEAD' }],
    ['a PUT', '/quick', { method: 'PUT', headers: toy, body: 'abc' }],
    ['an unknown path', '/quickly', {}],
    ['another media type', '/quick', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'abc' }],
    ['a name of Object.prototype as media type', '/quick', { method: 'POST', headers: { 'content-type': 'valueOf' } }],
    ['a body that is too long', '/quick', { method: 'POST', headers: toy, body: '0123456789a' }],
    [
      'a body without a length',
      '/quick',
      { method: 'POST', headers: toy, body: new Blob(['abc']).stream(), duplex: 'half' },
    ],
  ])('leaves %s to the framework', async (_, path, init) => {
    await fetch(url(path), init);
    expect(answer).not.toHaveBeenCalled();
  });

  it('reads a body that arrives in parts, and the next request on the same connection', async () => {
    const head = 'POST /quick HTTP/1.1\r\nhost: x\r\ncontent-type: application/toy\r\ncontent-length: 6\r\n\r\n';
    const said = await talk(`${head}ab`, 'cd', `ef${head}`, 'ghijkl');
    expect(said.match(/\r\n\r\n.{6}/g)).toEqual(['\r\n\r\nabcdef', '\r\n\r\nghijkl']);
  });

  it('answers nothing to a client that breaks off', async () => {
    const head = 'POST /quick HTTP/1.1\r\nhost: x\r\ncontent-type: application/toy\r\ncontent-length: 6\r\n\r\n';
    expect(await talk(`${head}ab`)).not.toContain('200 OK');
    expect(answer).not.toHaveBeenCalled();
    expect((await fetch(url('/quick'))).status).toBe(200);
  });

  it.each<[string, EarlyResponder['answer']]>([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('lets the framework render the error when the responder %s', async (_, fail) => {
    answer.mockImplementation(fail);
    for (const init of [{}, { method: 'POST', headers: toy, body: 'abc' }]) {
      const response = await fetch(url('/quick'), init);
      expect([response.status, await response.json()]).toMatchObject([500, { message: 'broken' }]);
    }
  });

  it('sends no body with 304', async () => {
    answer.mockResolvedValue({ status: 304, headers: { etag: '"1"' }, body: undefined });
    const response = await fetch(url('/quick'));
    expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([304, '"1"', '']);
  });
});
