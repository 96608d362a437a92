import fastify from 'fastify';
import { expect, it } from 'vitest';
import { sendFile } from './public-file.js';

const modifiedAt = new Date('2026-03-01T12:00:00Z');
const file = { type: 'application/pkix-crl', body: Buffer.from('list'), etag: '"2-new"', modifiedAt };
const now = new Date('2026-03-01T12:00:05Z');
const app = fastify();
app.get('/', (request, reply) => reply.send(sendFile(request, reply, { ...file, freshUntil: now }, now)));

// The list before may have been fetched in the same second, or after it while the new one was signed.
it.each([
  [{}, 200],
  [{ 'if-none-match': '"2-new"' }, 304],
  [{ 'if-none-match': 'W/"2-new", "x"' }, 304],
  [{ 'if-none-match': '"1-old"' }, 200],
  [{ 'if-modified-since': modifiedAt.toUTCString() }, 200],
  [{ 'if-modified-since': now.toUTCString() }, 200],
  [{ 'if-none-match': '"1-old"', 'if-modified-since': now.toUTCString() }, 200],
])('answers a client that has %j with %d', async (headers, status) => {
  const answer = await app.inject({ url: '/', headers });
  expect([answer.statusCode, answer.body]).toEqual([status, status === 304 ? '' : 'list']);
});
