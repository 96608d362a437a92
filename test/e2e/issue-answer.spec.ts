import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCsr } from '../../src/pki/csr.js';
import { startProgram, type TestProgram } from '../support/program.js';

describe('the answer to a request for a certificate', () => {
  let program: TestProgram;
  const basis = { owner: 'ann@example.com', authority: { name: 'root' }, validityDays: 30 };
  const issue = (request: object) => program.ok('POST', '/certificates', { ...basis, ...request });

  beforeAll(async () => {
    program = await startProgram({ ALLOW_SHARED_KEYS: 'true' });
    await program.ok('POST', '/authorities', {
      name: 'root',
      owner: 'pki@example.com',
      commonName: 'Example Root',
      description: 'The root',
    });
    await program.ok('POST', '/roles', { name: 'web', description: 'Those of the web' });
    await program.ok('POST', '/policies', { name: 'early', days: 12 });
    await program.ok('POST', '/destinations', {
      label: 'folder',
      plugin: { slug: 'filesystem', options: { path: program.dataDir } },
    });
    await issue({ commonName: 'first.example.com' });
  });
  afterAll(() => program.stop());

  const csr = () =>
    buildCsr(
      {
        subject: { commonName: 'csr.example.com', organization: 'Example', country: 'CH' },
        subjectAltNames: [
          { type: 'dns', value: 'zz.example.com' },
          { type: 'dns', value: 'aa.example.com' },
          { type: 'ip', value: '192.0.2.1' },
        ],
      },
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    );

  it.each<[string, () => object | Promise<object>]>([
    ['with a key of its own', () => ({ commonName: 'www.example.com', description: 'The web', rotation: true })],
    ['with a CSR', async () => ({ csr: await csr() })],
    ['with a name', () => ({ commonName: 'www.example.com', name: 'first' })],
    ['with the same name again', () => ({ commonName: 'www.example.com', name: 'first' })],
    ['of an owner who is new', () => ({ commonName: 'new.example.com', owner: 'new@example.com' })],
    ['of an owner in upper case', () => ({ commonName: 'upper.example.com', owner: 'Ann@Example.com' })],
    [
      'with roles, a policy and notifications',
      () => ({
        commonName: 'linked.example.com',
        roles: [{ name: 'web' }],
        rotationPolicy: { name: 'EARLY' },
        notifications: [{ label: 'DEFAULT_ANN@EXAMPLE.COM_30_DAY' }],
      }),
    ],
    ['without notices', () => ({ commonName: 'quiet.example.com', notify: false })],
    ['that is delivered', () => ({ commonName: 'there.example.com', destinations: [{ label: 'folder' }] })],
    [
      'that replaces another certificate',
      async () => ({
        commonName: 'next.example.com',
        replaces: [{ id: (await issue({ commonName: 'old.example.com' })).id }],
      }),
    ],
  ])('equals what GET returns for the certificate: a request %s', async (_, request) => {
    const given = await issue(await request());
    const read = await program.ok('GET', `/certificates/${given.id}`);
    expect(given).toEqual(read);
  });

  it('equals what GET returns for simultaneous requests, whichever of them fail', async () => {
    const csrPem = await csr();
    const answers = await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const request = { ...basis, owner: `team-${i % 3}@example.com`, csr: csrPem };
        const headers = { 'idempotency-key': i % 4 === 0 ? 'the-same' : `key-${i}` };
        return program.call(
          'POST',
          '/certificates',
          i % 5 === 4
            ? { ...request, csr: csrPem.replace('-----END', 'AAAA-----END') }
            : i % 4 === 0
              ? { ...request, owner: basis.owner }
              : request,
          { headers },
        );
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(
      Array.from({ length: 24 }, (_, i) => (i % 5 === 4 ? 400 : 200)),
    );
    const made = answers.filter(({ status }) => status === 200).map(({ body }) => body);
    for (const one of made) expect(one).toEqual(await program.ok('GET', `/certificates/${one.id}`));
    const names = new Set(made.map(({ name }: { name: string }) => name));
    const sameKey = answers.filter(({ status }, i) => status === 200 && i % 4 === 0);
    expect(new Set(sameKey.map(({ body }) => body.id)).size).toBe(1);
    expect(names.size).toBe(made.length - sameKey.length + 1);
  });
});
