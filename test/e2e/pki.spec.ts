import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram, type TestProgram } from '../support/program.js';
import { runOn } from '../support/x509.js';
import type { Json } from '../support/json.js';

let program: TestProgram;
let root: Json;
let sub: Json;
beforeAll(async () => {
  program = await startProgram({ PKI_URL: 'http://pki.example.net/', PUBLIC_URL: 'https://perennial.example.net' });
  root = await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  sub = await makeSub('sub');
});
afterAll(() => program.stop());

const makeSub = (name: string, more: object = {}): Promise<Json> =>
  program.ok('POST', '/authorities', {
    name,
    owner: 'pki@example.com',
    commonName: name,
    type: 'subca',
    parent: { name: 'root' },
    ...more,
  });
const optionsOf = ({ plugin }: Json): Json => plugin.options;
/** The path behind the address of the CA certificate. */
const pathOf = (authority: Json): string => new URL(atKey(authority, optionsOf(authority).caIssuers[0])).pathname;
/** An address for the key of an authority, which openssl tells. */
const atKey = ({ authorityCertificate: { body } }: Json, url: string): string => {
  const ski = runOn({ 'c.pem': body }, 'openssl', 'x509', '-in', 'c.pem', '-noout', '-ext', 'subjectKeyIdentifier');
  return url.replace('{key}', (ski.split('\n')[1] ?? '').replace(/[\s:]/g, '').slice(0, 8).toLowerCase());
};
const fetchPath = (path: string, init?: RequestInit): Promise<Response> => fetch(`${program.url}${path}`, init);
const text = (pem: string): string =>
  runOn({ 'one.pem': pem }, 'openssl', 'x509', '-in', 'one.pem', '-noout', '-text').replace(/\s+/g, ' ');

describe('the addresses of an authority', () => {
  it('are those of PKI_URL when the request gives none', () => {
    const [, id] =
      /^http:\/\/pki\.example\.net\/pki\/([0-9a-f]{20})\.\{key\}\.crt$/.exec(optionsOf(root).caIssuers[0]) ?? [];
    expect(optionsOf(root)).toMatchObject({
      crlDistributionPoints: [`http://pki.example.net/pki/${id}.{key}.crl`],
      ocsp: [`http://pki.example.net/pki/ocsp/${id}`],
    });
    expect(pathOf(sub)).not.toBe(pathOf(root));
  });

  it('are those of the issuer in leaves, and those of the parent in the certificate of a subordinate CA', async () => {
    const leaf = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'www.example.com',
      authority: { name: 'sub' },
      validityDays: 90,
    });
    expect(text(leaf.body)).toContain(`URI:${atKey(sub, optionsOf(sub).crlDistributionPoints[0])} `);
    expect(text(leaf.body)).toContain(`OCSP - URI:${optionsOf(sub).ocsp[0]} `);
    expect(text(sub.authorityCertificate.body)).toContain(
      `URI:${atKey(root, optionsOf(root).crlDistributionPoints[0])} `,
    );
    expect(text(sub.authorityCertificate.body)).toContain(
      `CA Issuers - URI:${atKey(root, optionsOf(root).caIssuers[0])} `,
    );
    expect(text(root.authorityCertificate.body)).not.toContain('URI:');
  });

  it('that the request gives stay, and the others are filled in', async () => {
    const own = await makeSub('own', {
      plugin: { id: 'local-ca', options: { crlDistributionPoints: ['http://crl.example.org/own.crl'] } },
    });
    expect(optionsOf(own).crlDistributionPoints).toEqual(['http://crl.example.org/own.crl']);
    expect(optionsOf(own).ocsp[0]).toMatch(/^http:\/\/pki\.example\.net\/pki\/ocsp\/[0-9a-f]{20}$/);
  });

  it('name a shard in each certificate where the authority has shards', async () => {
    const sharded = await makeSub('sharded', { plugin: { id: 'local-ca', options: { crlShards: 3 } } });
    const [template] = optionsOf(sharded).crlDistributionPoints;
    expect(template).toMatch(/\/pki\/[0-9a-f]{20}\.\{key\}\.\{shard\}\.crl$/);
    const seen = new Set<string>();
    for (let n = 0; n < 30; n++) {
      const leaf = await program.ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName: `s${n}.example.com`,
        authority: { name: 'sharded' },
        validityDays: 90,
      });
      seen.add(/\.(\d)\.crl/.exec(text(leaf.body))?.[1] ?? '');
    }
    expect([...seen].sort()).toEqual(['0', '1', '2']);
    const wrong = {
      id: 'local-ca',
      options: { crlShards: 3, crlDistributionPoints: ['http://crl.example.org/a.crl'] },
    };
    expect(
      await program.call('PUT', `/authorities/${sharded.id}`, { owner: 'pki@example.com', plugin: wrong }),
    ).toMatchObject({
      status: 400,
      body: { reasons: { 'plugin.options.crlDistributionPoints': [expect.anything()] } },
    });
  });
});

describe('the public face of the CAs', () => {
  it('gives the CA certificate as DER and PEM to anybody', async () => {
    const der = await fetchPath(pathOf(sub));
    expect(der.status).toBe(200);
    expect(der.headers.get('content-type')).toBe('application/pkix-cert');
    const pem = await fetchPath(pathOf(sub).replace('.crt', '.pem'));
    expect(await pem.text()).toBe(sub.authorityCertificate.body);
    const files = { 'ca.crt': Buffer.from(await der.arrayBuffer()) };
    const read = runOn(files, 'openssl', 'x509', '-inform', 'DER', '-in', 'ca.crt');
    expect(read.trim()).toBe(sub.authorityCertificate.body.trim());
  });

  it('answers 304 to who has the file, and HEAD without a body', async () => {
    const { headers } = await fetchPath(pathOf(root));
    const known = { 'if-none-match': `"other", ${headers.get('etag')}` };
    expect((await fetchPath(pathOf(root), { headers: known })).status).toBe(304);
    const since = { 'if-modified-since': headers.get('last-modified') ?? '' };
    // A date does not tell one certificate of the CA from the next.
    expect((await fetchPath(pathOf(root), { headers: since })).status).toBe(200);
    expect((await fetchPath(pathOf(root), { headers: { 'if-none-match': '"other"', ...since } })).status).toBe(200);
    const head = await fetchPath(pathOf(root), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), (await head.arrayBuffer()).byteLength]).toEqual([
      200,
      headers.get('content-length'),
      0,
    ]);
  });

  it.each(['/pki', '/pki/', '/pki/1.crt', '/pki/00000000000000000000.crt', '/pki/x/y/z'])(
    'has nothing at %s, and says so in plain text',
    async (path) => {
      const answer = await fetchPath(path);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/plain; charset=utf-8']);
    },
  );

  it('refuses an address that asks too often, and no other path', async () => {
    const few = await startProgram({ PKI_REQUESTS_PER_SECOND: '1' });
    try {
      const ask = async (path: string): Promise<number> => (await fetch(`${few.url}${path}`)).status;
      const askOften = (path: string): Promise<number[]> => Promise.all(Array.from({ length: 30 }, () => ask(path)));
      const statuses = await askOften('/pki/x.crt');
      expect(statuses.filter((status) => status === 404).length).toBeGreaterThanOrEqual(10);
      expect(statuses).toContain(429);
      for (const path of ['/pki/ocsp', '/pki/ocsp/MA']) expect(await askOften(path), path).toContain(429);
      expect(await ask('/health/live')).toBe(200);
    } finally {
      await few.stop();
    }
  });
});
