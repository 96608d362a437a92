import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plugins } from '../../plugins/index.js';
import { ScriptedCa } from '../fakes/scripted-ca.js';
import type { Json } from '../support/json.js';
import { startProgram, type TestProgram } from '../support/program.js';
import { opensslCsr, opensslText } from '../support/requests.js';
import { runOn } from '../support/x509.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
let root: Json;
beforeAll(async () => {
  program = await startProgram({}, { plugins: [...plugins, new ScriptedCa().plugin] });
  const make = (name: string, more: object = {}) =>
    program.ok('POST', '/authorities', { name, owner: 'joe@example.com', commonName: `Example ${name}`, ...more });
  root = await make('root');
  await make('sub', { type: 'subca', parent: { name: 'root' } });
  await make('outside', { plugin: { id: 'scripted-ca', options: { behaviour: 'refuses' } } });
  for (const username of ['joe', 'eve'])
    await program.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles: [] });
});
afterAll(() => program.stop());

const owner = 'joe@example.com';
const subject = '/C=DE/O=Example Org/CN=host.example.com';
const sign = (authority: string | number, body: object, headers?: Record<string, string>) =>
  program.call('POST', `/authorities/${authority}/sign`, { owner, validityDays: 30, ...body }, { headers });
const names = (value: string, nameType = 'DNSName') => ({
  extensions: { subAltNames: { names: [{ nameType, value }] } },
});

describe('POST /authorities/{id}/sign', () => {
  const { csrPem: csr } = opensslCsr(subject, ['-addext', 'subjectAltName=DNS:old.example.com'], 'ec');

  it('takes the authority by id and by name, and the subject and names of the CSR', async () => {
    for (const ref of [root.id, 'root', 'ROOT']) {
      const { status, body } = await sign(ref, { csr });
      expect([status, body.authority?.id]).toEqual([200, root.id]);
      expect(body.distinguishedName).toBe('CN=host.example.com,O=Example Org,C=DE');
      expect(body.hasPrivateKey).toBe(false);
    }
    expect((await sign('nobody', { csr })).body.reasons).toEqual({ authority: [expect.any(String)] });
    expect((await sign('root', {})).body.reasons).toEqual({ csr: [expect.any(String)] });
  });

  it('overrides common name, other attributes, names and validity', async () => {
    const { body } = await sign('root', { csr, commonName: 'new.example.com', country: '', ...names('a.example.com') });
    expect(body.distinguishedName).toBe('CN=new.example.com,O=Example Org');
    const text = opensslText(body.body);
    expect(text).toContain('DNS:new.example.com, DNS:a.example.com');
    expect(text).not.toContain('old.example.com');
    expect(Math.round((Date.parse(body.notAfter) - Date.parse(body.notBefore)) / 86_400_000)).toBe(30);
    expect(runOn({ 'csr.pem': csr }, 'openssl', 'req', '-in', 'csr.pem', '-noout', '-pubkey')).toBe(
      runOn({ 'leaf.pem': body.body }, 'openssl', 'x509', '-in', 'leaf.pem', '-noout', '-pubkey'),
    );
  });

  it('judges the overridden request by the profile', async () => {
    const client = { profile: { name: 'client' }, csr };
    expect(Object.keys((await sign('root', client)).body.reasons)).toEqual(['csr']);
    const { body } = await sign('root', { ...client, commonName: 'anna', ...names('anna@example.com', 'rfc822Name') });
    expect(body.san ?? body.extensions.subAltNames.names).toEqual([
      { nameType: 'rfc822Name', value: 'anna@example.com' },
    ]);
    expect((await sign('root', { csr, country: 'Germany' })).body.reasons).toEqual({ country: [expect.any(String)] });
  });

  it('gives an issuer that reads the CSR itself no other names', async () => {
    const refused = await sign('outside', { csr, commonName: 'new.example.com' });
    expect([refused.status, Object.keys(refused.body.reasons)]).toEqual([400, ['csr']]);
  });

  it('answers a repeated request with the first certificate', async () => {
    const headers = { 'Idempotency-Key': 'sign-1' };
    const first = await sign('root', { csr }, headers);
    expect((await sign('root', { csr }, headers)).body.id).toBe(first.body.id);
    expect((await sign('root', { csr, validityDays: 5 }, headers)).status).toBe(409);
    expect((await sign('sub', { csr }, headers)).status).toBe(409);
  });
});

describe('an order', () => {
  it('has a status and, when it failed, a reason', async () => {
    const { csrPem: csr } = opensslCsr('/CN=ordered.example.com', [], 'ec');
    const issued = await sign('root', { csr });
    const path = issued.headers.get('location') ?? '';
    expect(path).toBe(`/api/1/authorities/${root.id}/orders/${issued.body.id}`);
    expect(await program.ok('GET', path.replace('/api/1', ''))).toMatchObject({
      slug: String(issued.body.id),
      status: 'issued',
      reason: null,
      certificate: { serial: issued.body.serial },
    });
    const failed = await sign('outside', { csr });
    const order = await program.ok('GET', `/authorities/outside/orders/${failed.body.id}`);
    expect(order).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/\S/),
      certificate: { serial: null },
    });
  });

  it('is shown to its creator and to who may change the certificate', async () => {
    const { csrPem: csr } = opensslCsr('/CN=seen.example.com', [], 'ec');
    const { body } = await sign('root', { csr });
    const path = `/authorities/root/orders/${body.id}`;
    const as = async (username: string) =>
      (await program.call('GET', path, undefined, { token: await program.login(username, password) })).status;
    expect(await as('eve')).toBe(404);
    expect((await program.call('GET', `/authorities/sub/orders/${body.id}`)).status).toBe(404);
    expect((await program.call('GET', '/authorities/root/orders/x')).status).toBe(404);
    const roles = (await program.ok('GET', '/roles?filter=name;joe@example.com')).items;
    const { items } = await program.ok('GET', '/users?filter=username;eve');
    await program.ok('PUT', `/users/${items[0].id}`, { ...items[0], roles });
    expect(await as('eve')).toBe(200);
  });
});

describe('the files of a certificate', () => {
  it('are read by OpenSSL', async () => {
    const { body } = await sign('sub', { csr: opensslCsr('/CN=files.example.com', [], 'ec').csrPem });
    const load = async (name: string): Promise<{ type: string | null; content: Buffer }> => {
      const token = await program.login('joe', password);
      const answer = await fetch(`${program.url}/api/1/certificates/${body.id}/files/${name}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect([name, answer.status]).toEqual([name, 200]);
      return { type: answer.headers.get('content-type'), content: Buffer.from(await answer.arrayBuffer()) };
    };
    const leaf = await load('certificate.der');
    expect(leaf.type).toBe('application/pkix-cert');
    expect(runOn({ leaf: leaf.content }, 'openssl', 'x509', '-inform', 'DER', '-in', 'leaf')).toBe(body.body);
    expect((await load('certificate.pem')).content.toString()).toBe(body.body);
    expect((await load('chain.pem')).content.toString()).toBe(body.chain);
    expect((await load('fullchain.pem')).content.toString()).toBe(body.body + body.chain);
    const listed = async (name: string): Promise<string[]> =>
      runOn({ p7b: (await load(name)).content }, 'openssl', 'pkcs7', '-inform', 'DER', '-in', 'p7b', '-print_certs')
        .split('\n')
        .filter((line) => line.startsWith('subject='));
    expect(await listed('chain.p7b')).toEqual(['subject=CN = Example sub']);
    expect(await listed('fullchain.p7b')).toHaveLength(2);
    expect((await program.call('GET', `/certificates/${body.id}/files/key.pem`)).status).toBe(404);
  });
});

describe('the list of certificates', () => {
  it('is filtered by authority, profile, expiry, revocation and origin', async () => {
    const make = (commonName: string, more: object = {}) =>
      program.ok('POST', '/certificates', { owner, authority: { name: 'sub' }, commonName, validityDays: 10, ...more });
    const plain = await make('plain.list.example.com');
    const server = await make('server.list.example.com', { profile: { name: 'server' } });
    const revoked = await make('revoked.list.example.com');
    await program.ok('PUT', `/certificates/${revoked.id}/revoke`, { crlReason: 'superseded' });
    const renewal = await program.ok('POST', `/certificates/${plain.id}/reissue`);
    const found = async (query: string): Promise<number[]> =>
      (await program.ok('GET', `/certificates?count=100&filter=cn;list.example.com&${query}`)).items.map(
        ({ id }: { id: number }) => id,
      );
    const all = [renewal.id, revoked.id, server.id, plain.id];
    expect(await found('authority=sub')).toEqual(all);
    expect(await found('authority=root')).toEqual([]);
    expect(await found('authority=nobody')).toEqual([]);
    expect(await found('profile=server')).toEqual([server.id]);
    expect(await found(`profile=${server.profile.id}&authority=sub`)).toEqual([server.id]);
    expect(await found('revoked=true')).toEqual([revoked.id]);
    expect(await found('revoked=false')).toEqual(all.filter((id) => id !== revoked.id));
    expect(await found('autogenerated=true')).toEqual([renewal.id]);
    expect(await found('expired=false')).toEqual(all);
    expect(await found('expired=true')).toEqual([]);
    expect((await program.ok('GET', '/certificates?filter=profile;server')).items).toMatchObject([{ id: server.id }]);
    program.clock.advance(40 * 86_400_000);
    expect(await found('expired=true')).toEqual(all);
    expect(await found('expired=false')).toEqual([]);
  });
});
