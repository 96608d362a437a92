import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { ApiDocument } from '../support/open-api.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr } from '../support/requests.js';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const jwk = privateKey.export({ format: 'jwk' });
/** Lines of the key: none of them may come back in an answer. */
const secret = pem.split('\n')[1] ?? '';

let program: TestProgram;
let api: ApiDocument;
beforeAll(async () => {
  program = await startProgram();
  api = new ApiDocument(await (await fetch(`${program.url}/api/1/openapi.json`)).json());
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
});
afterAll(() => program.stop());

const bodies = (): { method: string; path: string; schema: Json }[] =>
  api.operations.flatMap(({ method, path, words }) => {
    const schema = words.requestBody?.content?.['application/json']?.schema;
    const url = path.replace('/api/1', '').replace(/\{\w+\}/g, '1');
    return schema ? [{ method: method.toUpperCase(), path: url, schema: api.resolve(schema) }] : [];
  });

describe('a private key in a field for other text', () => {
  it('is refused with the name of the field, on every route with a body', async () => {
    const tried = bodies().filter(({ path }) => !path.startsWith('/auth/'));
    expect(tried.length).toBeGreaterThan(25);
    for (const { method, path, schema } of tried) {
      const members = Object.entries<Json>(schema.properties ?? { any: {} }).filter(([, { writeOnly }]) => !writeOnly);
      const values = [pem, [pem], { deep: { er: [`note ${pem}`] } }, jwk, { [pem]: true }];
      const body = Object.fromEntries(members.map(([name], i) => [name, values[i % values.length]]));
      const { status, body: answer } = await program.call(method, path, body);
      expect([status, JSON.stringify(answer)], `${method} ${path}`).toEqual([
        400,
        expect.stringContaining('Must not hold a private key'),
      ]);
      expect(JSON.stringify(answer)).not.toContain(secret);
    }
  });

  it('is refused next to a CSR or a certificate, in plugin options and in a header', async () => {
    const { csrPem: csr, keyPem } = opensslCsr('/CN=a.example', [], 'ec');
    const request = { owner: 'joe@example.com', authority: { name: 'root' } };
    const { body } = await program.ok('POST', '/certificates', { ...request, commonName: 'b.example' });
    const upload = { owner: 'joe@example.com', body };
    for (const [path, wrong, member] of [
      ['/certificates', { ...request, csr: `${csr}${keyPem}` }, 'csr'],
      ['/certificates', { ...request, csr, description: keyPem }, 'description'],
      ['/certificates', { ...request, csr, unknown: keyPem }, 'unknown'],
      ['/certificates/upload', { ...upload, body: `${body}${keyPem}` }, 'body'],
      ['/certificates/upload', { ...upload, chain: keyPem }, 'chain'],
      [
        '/destinations',
        { label: 'x', plugin: { id: 'filesystem', options: { path: `/tmp/${keyPem}` } } },
        'plugin.options.path',
      ],
      [
        '/destinations',
        { label: 'x', plugin: { slug: 'filesystem', pluginOptions: [{ name: 'path', value: keyPem }] } },
        'plugin.options.path',
      ],
      ['/destinations', { label: 'x', plugin: { id: 'filesystem', label: keyPem } }, 'plugin.label'],
    ] as const) {
      const { status, body: answer } = await program.call('POST', path, wrong);
      expect([status, answer.reasons], member).toEqual([
        400,
        { [member]: [expect.stringContaining('Must not hold a private key')] },
      ]);
    }
    const headers = { 'Idempotency-Key': secret };
    expect((await program.call('POST', '/certificates', { ...request, csr }, { headers })).status).toBe(400);
  });

  it('is accepted as the key of an upload and as a password', async () => {
    const { keyPem } = opensslCsr('/CN=c.example', [], 'ec');
    expect((await program.call('POST', '/roles', { name: 'vault', username: 'v', password: keyPem })).status).toBe(200);
    const { reasons } = (
      await program.call('POST', '/certificates/upload', { owner: 'a@b.example', body: 'x', privateKey: keyPem })
    ).body;
    expect(reasons).toEqual({ body: expect.anything() });
  });
});
