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

describe('a request with several faults', () => {
  const wrong = ['-addext', 'subjectAltName=DNS:a_b.example.com,DNS:w.*.example.com,DNS:www.example.org'];
  const asking = ['basicConstraints=CA:TRUE', 'extendedKeyUsage=OCSPSigning', 'nameConstraints=permitted;DNS:a'];
  const args = [...wrong, ...asking.flatMap((one) => ['-addext', one])];
  /** The CSR with another signature. */
  const forged = (csrPem: string): string => {
    const der = Buffer.from(csrPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  };
  const issue = (authority: string, body: object, token?: string) =>
    program.call('POST', '/certificates', { owner, authority: { name: authority }, ...body }, token ? { token } : {});
  beforeAll(async () => {
    const nameConstraints = { permitted: { dns: ['example.com'] } };
    await program.ok('POST', '/authorities', { name: 'narrow', owner, commonName: 'Narrow', nameConstraints });
  });

  it('is told all faults of its CSR, of what it says beside it, of its profile and of its dates at once', async () => {
    const { csrPem } = opensslCsr(subject, args, 'ec');
    const more = { commonName: 'c.example.com', keyType: 'RSA2048', validityEnd: '2099-01-01T00:00:00Z' };
    const { status, body } = await issue('narrow', { csr: forged(csrPem), profile: { name: 'client' }, ...more });
    expect([status, body.type]).toEqual([400, expect.stringContaining('invalid-request')]);
    for (const text of [
      /not signed by its own key/,
      /asks for a CA certificate/,
      /extended key usage 1\.3\.6\.1\.5\.5\.7\.3\.9/,
      /"a_b\.example\.com" is not a DNS name/,
      /"w\.\*\.example\.com" is not a DNS name/,
      /the extension 2\.5\.29\.30/,
      /dns:www\.example\.org is in none of the permitted subtrees/,
      /The DNS name www\.example\.org is not allowed/,
    ])
      expect(body.reasons.csr).toContainEqual(expect.stringMatching(text));
    expect(Object.keys(body.reasons).sort()).toEqual(['commonName', 'csr', 'keyType', 'validityEnd']);
    for (const text of Object.values<string[]>(body.reasons).flat()) expect(body.detail).toContain(text);
  });

  it('is told all faults of its members at once', async () => {
    const san = (value: string) => ({ nameType: 'DNSName', value });
    const extensions = {
      subAltNames: { names: [san('a..b'), san('ok.example.com'), san('x.example.org'), san('_')] },
      keyUsage: { useKeyCertSign: true },
    };
    const request = {
      commonName: 'a\u0007b',
      country: '12',
      keyType: 'RSA17',
      extensions,
      validityEnd: '2099-01-01T00:00:00Z',
    };
    const { status, body } = await issue('narrow', request);
    const names = ['0', '3'].map((at) => `extensions.subAltNames.names.${at}.value`);
    expect([status, Object.keys(body.reasons).sort()]).toEqual([
      400,
      ['commonName', 'country', 'extensions.keyUsage', ...names, 'keyType', 'validityEnd'],
    ]);
    const outside = await issue('narrow', {
      extensions: { subAltNames: { names: [san('x.example.org'), san('y.test')] } },
    });
    expect(outside.body.reasons['extensions.subAltNames']).toHaveLength(2);
  });

  it('is told of a key that is compromised only when the key has signed the request', async () => {
    const { csrPem } = opensslCsr('/CN=lost.example.com', [], 'ec');
    const { body: made } = await sign('root', { csr: csrPem });
    await program.ok('PUT', `/certificates/${made.id}/revoke`, { crlReason: 'keyCompromise' });
    const late = { validityDays: undefined, validityEnd: '2099-01-01T00:00:00Z' };
    const { reasons } = (await sign('root', { csr: csrPem, ...late })).body;
    expect([reasons.csr, Object.keys(reasons)]).toEqual([
      [expect.stringContaining('compromised')],
      ['csr', 'validityEnd'],
    ]);
    const byOthers = await sign('root', { csr: forged(csrPem), ...late });
    expect(byOthers.body.reasons.csr).toEqual([expect.stringContaining('not signed by its own key')]);
  });

  it('is told nothing but that the authority is not theirs, when it is not', async () => {
    const { csrPem } = opensslCsr(subject, args, 'ec');
    const { status, body } = await issue('narrow', { csr: forged(csrPem) }, await program.login('eve', password));
    expect([status, body.reasons]).toEqual([403, undefined]);
  });
});

describe('the lint', () => {
  const encipher = { extensions: { keyUsage: { useDigitalSignature: true, useKeyEncipherment: true } } };
  const lintOf = async (id: number) => {
    const rows = await program.database.source.query<{ after: Json }[]>(
      `select after from audit_event where action = 'certificate.issued' and target_id = $1`,
      [String(id)],
    );
    return rows[0]?.after.lintWarnings;
  };

  it('writes its warnings into the audit log', async () => {
    const request = { owner, authority: { name: 'root' }, commonName: 'ec.example.com', validityDays: 30 };
    const { id } = await program.ok('POST', '/certificates', { ...request, ...encipher });
    expect(await lintOf(id)).toContain('key-usage-fits-key');
    const sound = await program.ok('POST', '/certificates', request);
    expect((await lintOf(sound.id)) ?? []).not.toContain('key-usage-fits-key');
  });

  it('refuses what breaks the rules of public TLS, but not a renewal of what was issued before that', async () => {
    const made = { name: 'public', owner, commonName: 'Public', isCabCompliant: false };
    const authority = await program.ok('POST', '/authorities', made);
    const request = {
      owner,
      authority: { name: 'public' },
      commonName: 'tls.example.com',
      validityDays: 30,
      ...encipher,
    };
    const { id } = await program.ok('POST', '/certificates', request);
    await program.ok('PUT', `/authorities/${authority.id}`, { ...authority, isCabCompliant: true });
    const refused = await program.call('POST', '/certificates', request);
    expect([refused.status, refused.body.detail]).toEqual([400, expect.stringContaining('tls-key-usage-fits-key (BR')]);
    const renewal = await program.ok('POST', `/certificates/${id}/reissue`);
    expect(await lintOf(renewal.id)).toContain('tls-key-usage-fits-key');
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
