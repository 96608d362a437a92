import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openssl, startTestAuthority, type TestAuthority } from '../support/bundles.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { routesOf } from '../support/routes.js';

let program: TestProgram;
let authority: TestAuthority;
beforeAll(async () => {
  program = await startProgram();
  authority = startTestAuthority();
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
});
afterAll(async () => {
  authority.close();
  await program.stop();
});

const many = (count: number, value: unknown = 1): Json =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`member${i}`, value]));

describe('a chain', () => {
  const selfSigned = (n: number): string =>
    openssl([
      ...['req', '-x509', '-nodes', '-keyout', '/dev/null', '-days', '9', '-subj', `/CN=ca${n}`, '-newkey', 'ec'],
      ...['-pkeyopt', 'ec_paramgen_curve:P-521'],
    ]);
  const upload = (body: string, chain: string) =>
    program.call('POST', '/certificates/upload', { owner: 'joe@example.com', body, chain });

  it('with a repeated CA certificate or the leaf is accepted, and counts each CA certificate once', async () => {
    const one = selfSigned(0);
    expect((await upload(one, one.repeat(600))).status).toBe(200);
    const { chainPem } = authority.issue('twice.example.com');
    const [leaf = '', issuing = ''] = chainPem;
    const { status, body } = await upload(leaf, [leaf, issuing, issuing, authority.rootPem, leaf, issuing].join(''));
    expect([status, body.chain]).toEqual([200, issuing + authority.rootPem]);
  });

  it('of more than ten different certificates is refused before a signature is verified', async () => {
    const [leaf = '', ...others] = Array.from({ length: 12 }, (_, n) => selfSigned(n + 1));
    expect((await upload(leaf, others.slice(1).join(''))).body.detail).toContain('is not signed by');
    expect(await upload(leaf, others.join(''))).toMatchObject({
      status: 400,
      body: { reasons: { chain: expect.arrayContaining(['A chain holds at most 10 certificates, not 11']) } },
    });
  });
});

describe('a list of certificates', () => {
  const chainMb = 10;
  beforeAll(async () => {
    for (let i = 0; i < 8; i += 1)
      await program.ok('POST', '/certificates', {
        owner: 'big@example.com',
        commonName: `big${i}.example.com`,
        authority: { name: 'root' },
      });
    await program.database.source.query(
      `update certificate set chain_id = keep_chain(repeat('A', $1)) where owner = 'big@example.com'`,
      [chainMb * 1_000_000],
    );
  });

  it.each(['/certificates', '/certificates/valid'])('at %s has chains only with chain=true', async (path) => {
    const ask = (more: string) => program.call('GET', `${path}?owner=big@example.com&sortBy=id${more}`);
    const { body } = await ask('&count=100');
    expect(body.items.map((item: Json) => item.chain)).toEqual(Array.from({ length: 8 }, () => null));
    expect(JSON.stringify(body).length).toBeLessThan(200_000);
    const { items } = (await ask('&count=2&chain=true')).body;
    expect(items.map((item: Json) => item.chain.length)).toEqual([chainMb * 1_000_000, chainMb * 1_000_000]);
    expect((await program.ok('GET', `/certificates/${items[0].id}`)).chain).toHaveLength(chainMb * 1_000_000);
  });

  it('with chains is refused when its page is too large, with the largest count that is possible', async () => {
    const ask = (count: number) => program.call('GET', `/certificates?owner=big@example.com&chain=true&count=${count}`);
    const { status, body } = await ask(8);
    expect([status, body.reasons.count]).toEqual([400, [expect.stringContaining('at most 3 at a time')]]);
    expect((await ask(3)).status).toBe(200);
  });
});

describe('a body', () => {
  it('of more than 16 KiB is refused without authentication', async () => {
    const body = JSON.stringify({ username: 'x'.repeat(20_000) });
    const taken: string[] = [];
    for (const route of routesOf(program)) {
      const [method = '', path = ''] = route.split(' ');
      if (!['post', 'put', 'delete'].includes(method) || !path.startsWith('/api/1')) continue;
      const url = path.slice('/api/1'.length).replace(/:\w+/g, '1');
      const { status } = await program.call(method.toUpperCase(), url, body, { token: null });
      if (status !== 401 && status !== 413) taken.push(`${route}: ${status}`);
    }
    expect(taken).toEqual([]);
    expect((await program.call('POST', '/auth/login', body, { token: null })).status).toBe(413);
  });

  it('of a sign-in with many unknown members lists ten of them', async () => {
    const { status, body } = await program.call('POST', '/auth/login', many(700), { token: null });
    expect([status, Object.keys(body.reasons)]).toEqual([400, Object.keys(many(10))]);
    expect(JSON.stringify(body).length).toBeLessThan(2000);
  });

  const request = { owner: 'joe@example.com', commonName: 'a.example.com', authority: { name: 'root' } };
  const names = (value: string) => Array.from({ length: 4000 }, () => ({ nameType: 'DNSName', value }));
  it.each<[string, Json]>([
    ['unknown members', { ...request, ...many(60_000) }],
    ['unknown members in a member', { ...request, extensions: many(60_000) }],
    ['unknown members with names of 100 kB', { ...request, ...{ ['x'.repeat(100_000)]: 1, ['y'.repeat(100_000)]: 1 } }],
    ['entries of a list', { ...request, replaces: Array.from({ length: 60_000 }, () => 'x') }],
    ['wrong names', { ...request, extensions: { subAltNames: { names: names('not a name') } } }],
    ['members of entries', { ...request, replaces: Array.from({ length: 50 }, () => many(500)) }],
    ['characters', { ...request, owner: 'x'.repeat(500_000) }],
    ['empty lists', { ...request, replaces: Array.from({ length: 60_000 }, () => []) }],
  ])('with too many %s is refused in a short answer', async (_, body) => {
    const answer = await program.call('POST', '/certificates', body);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body).length).toBeLessThan(16_384);
    expect(Object.keys(answer.body.reasons ?? {}).length).toBeLessThanOrEqual(100);
  });
});
