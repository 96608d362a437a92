import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fastpki } from '../../plugins/fastpki/fastpki.issuer.js';
import type { OrderRequest } from '../../src/plugin-api/issuer.js';
import { failureOf } from '../support/issuer-faults.js';
import { noMemory } from '../support/issuer-requests.js';
import { routesOf } from '../support/routes.js';
import { networkContext, requestFor } from '../support/signing-ca.js';
import { adminPassword, type Answer, startProgram, type TestProgram } from '../support/program.js';
import { openssl } from '../support/bundles.js';
import { opensslCsr, opensslText } from '../support/requests.js';
import { runOn } from '../support/x509.js';
import type { Json } from '../support/json.js';

const run = promisify(execFile);
const password = 'Correct-Horse-2!';
const team = 'web@example.com';
const caName = 'Acme Issuing CA';

let program: TestProgram;
let ca: Json;
const tokens: Record<string, string> = {};

/** A request as a user of FastPKI; `path` begins behind /api/v1. */
async function ask(who: string | null, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${program.url}/api/v1${path}`, {
    method,
    headers: {
      ...(who !== null && { authorization: `Bearer ${tokens[who] ?? who}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const form = async (fields: Record<string, string>): Promise<Answer> => {
  const response = await fetch(`${program.url}/api/v1/auth/token`, {
    method: 'POST',
    body: new URLSearchParams(fields),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
};

async function signUp(username: string, ...roles: string[]): Promise<void> {
  const named = roles.map((name) => ({ name }));
  await program.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles: named });
  tokens[username] = (await form({ username, password })).body.access_token;
}

beforeAll(async () => {
  program = await startProgram({ DIALECTS: 'fastpki', PERENNIAL_ROLE: 'api' });
  ca = await program.ok('POST', '/authorities', { name: caName, owner: team, commonName: caName });
  tokens.admin = (await form({ username: 'admin', password: adminPassword })).body.access_token;
  await signUp('joe', team);
  await signUp('eve');
});
afterAll(() => program.stop());

describe('the examples of the guide to FastPKI', () => {
  const prelude = 'command -v python > /dev/null || python() { python3 "$@"; }';
  let folder: string;
  const outputs: Json[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastpki-'));
    const guide = await readFile(join(__dirname, '../fixtures/dialects/fastpki-certificates.sh'), 'utf8');
    const [, ...examples] = guide.split('\n\n');
    for (const example of examples) {
      const command = example
        .replace('http://localhost:8000', program.url)
        .replace('ca_id=1', `ca_id=${ca.id}`)
        .replace('/certificates/1', `/certificates/${outputs[0]?.id}`);
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', `${prelude}\n${command}`], {
        cwd: folder,
        env: { ...process.env, TOKEN: tokens.joe },
      });
      outputs.push(JSON.parse(stdout));
    }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are nine, and none is answered with an error', () => {
    expect(outputs).toHaveLength(9);
    expect(outputs.filter((one) => one.detail !== undefined)).toEqual([]);
  });

  it('issue a certificate with its private key', () => {
    const [issued] = outputs;
    expect(issued).toMatchObject({
      id: expect.any(Number),
      common_name: 'api.example.com',
      subject_dn: 'CN=api.example.com,O=Acme Corp,C=US',
      certificate_type: 'server',
      key_size: 2048,
      valid_days: 365,
      status: 'valid',
      revoked_at: null,
      issuer_id: ca.id,
      organization_id: expect.any(Number),
      created_by_user_id: expect.any(Number),
    });
    const files = { 'leaf.pem': issued.certificate, 'key.pem': issued.private_key };
    expect(runOn(files, 'openssl', 'pkey', '-in', 'key.pem', '-pubout')).toBe(
      runOn(files, 'openssl', 'x509', '-in', 'leaf.pem', '-noout', '-pubkey'),
    );
    const serial = runOn(files, 'openssl', 'x509', '-in', 'leaf.pem', '-noout', '-serial').trim();
    expect(serial.replace(/^serial=0*/, '').toLowerCase()).toBe(issued.serial_number);
    expect(opensslText(issued.certificate)).toContain('DNS:api.example.com\n');
  });

  it('issue by the rules of servers and clients', () => {
    const [, server, client] = outputs.map(({ certificate }) => certificate && opensslText(certificate));
    expect(server).toContain('DNS:api.example.com, DNS:api-v2.example.com, IP Address:10.0.0.42');
    expect(server).toContain('TLS Web Server Authentication');
    expect(client).toContain('TLS Web Client Authentication');
    expect(client).not.toContain('Subject Alternative Name');
    expect(outputs[2]).toMatchObject({ certificate_type: 'client', key_size: 2048 });
  });

  it('sign a CSR for its own key and subject, and give no private key', () => {
    const signed = outputs[3];
    expect(signed).not.toHaveProperty('private_key');
    const leaf = { 'leaf.pem': signed.certificate };
    expect(runOn(leaf, 'openssl', 'x509', '-in', 'leaf.pem', '-noout', '-pubkey')).toBe(
      openssl(['req', '-in', join(folder, 'api.example.com.csr'), '-noout', '-pubkey']).toString(),
    );
    expect(signed.subject_dn).toBe('C=US,O=Acme Corp,CN=api.example.com');
  });

  it('list, view, show the key, and revoke', async () => {
    const [, , , , all, ofCa, one, withKey, revoked] = outputs;
    expect(all.map(({ id }: Json) => id)).toEqual(outputs.slice(0, 4).map(({ id }) => id));
    expect(ofCa).toEqual(all);
    const { private_key, ...issued } = outputs[0];
    expect([one, all[0], withKey]).toEqual([issued, issued, { ...issued, private_key }]);
    expect(revoked).toMatchObject({ id: issued.id, status: 'revoked', revoked_at: expect.any(String) });
    expect(await program.ok('GET', `/certificates/${issued.id}`)).toMatchObject({
      lifecycle: 'revoked',
      revocationReason: 1,
    });
  });
});

const server = { common_name: 'www.example.com', subject_dn: 'CN=www.example.com,O=Acme', certificate_type: 'server' };
const issue = (who: string, more: object, caId: number | string = ca.id): Promise<Answer> =>
  ask(who, 'POST', `/certificates/?ca_id=${caId}`, { ...server, ...more });
const sign = (who: string, body: object): Promise<Answer> =>
  ask(who, 'POST', '/certificates/sign-csr', { ca_id: ca.id, certificate_type: 'server', ...body });

describe('the client of FastPKI that this program has', () => {
  const account = () => fastpki.options.parse({ url: program.url, username: 'joe', password, caName });
  const ctx = networkContext();
  const orderFor = async (names: string[], days?: number): Promise<OrderRequest> => {
    const { order } = await requestFor(names, { days });
    return { ...order, authority: { ...order.authority, certificatePem: ca.authorityCertificate.body } };
  };

  it('is tested, describes the CA, orders, finds its order again, lists and revokes', async () => {
    await fastpki.check?.(account(), ctx);
    const root = ca.authorityCertificate.body as string;
    expect(await fastpki.describe?.(account(), ctx)).toEqual({ issuers: [{ chainPem: [root] }] });
    const order = await orderFor(['host.example.com', 'other.example.com']);
    const outcome = await fastpki.order(order, account(), ctx);
    if (outcome.status !== 'issued') throw new Error(outcome.status);
    const { chainPem, externalId } = outcome;
    expect(opensslText(chainPem[0] ?? '')).toContain('DNS:host.example.com, DNS:other.example.com');
    expect(chainPem[1]).toBe(root);
    expect(await fastpki.find?.(order, account(), ctx)).toEqual(outcome);
    for (const by of [{ externalId }, {}])
      await fastpki.revoke?.({ ...noMemory, chainPem, reason: 4, ...by }, account(), ctx);
    expect(await program.ok('GET', `/certificates/${externalId}`)).toMatchObject({
      lifecycle: 'revoked',
      revocationReason: 4,
    });
    const listed: unknown[] = [];
    for await (const one of fastpki.list?.({ commonName: 'host' }, account(), ctx) ?? []) listed.push(one);
    expect(listed).toMatchObject([{ location: externalId, status: 'revoked', chainPem: [chainPem[0]] }]);
  });

  it('takes a refusal as final, and a wrong password as a thing for people', async () => {
    const order = await orderFor(['host.example.com', 'joe@example.com']);
    const dual = { ...account(), certificateType: 'dual_purpose' as const };
    expect((await fastpki.order(order, dual, ctx)).status).toBe('issued');
    const long = await orderFor(['host.example.com'], 10_000);
    expect((await failureOf(fastpki.order(long, account(), ctx))).fault).toBe('refused');
    const wrong = { ...account(), password: 'Wrong-Horse-9!' };
    expect((await failureOf(fastpki.order(order, wrong, ctx))).fault).toBe('misconfigured');
  });
});

describe('sign-in of FastPKI', () => {
  it('gives a token for a quarter of an hour, and another pair for the refresh token', async () => {
    const first = (await form({ grant_type: 'password', username: 'joe', password })).body;
    expect(first).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'bearer',
    });
    expect((await ask(first.access_token, 'GET', '/users/me')).body).toMatchObject({
      username: 'joe',
      email: 'joe@example.com',
      role: 'user',
      can_create_cert: true,
      can_create_ca: false,
    });
    program.clock.advance(16 * 60_000);
    expect((await ask(first.access_token, 'GET', '/users/me')).status).toBe(401);
    const second = await ask(null, 'POST', '/auth/refresh', { refresh_token: first.refresh_token });
    expect(second.status).toBe(200);
    expect((await ask(second.body.access_token, 'GET', '/users/me')).status).toBe(200);
    expect((await ask(second.body.refresh_token, 'GET', '/users/me')).status).toBe(401);
    expect((await ask(null, 'POST', '/auth/refresh', { refresh_token: second.body.access_token })).status).toBe(401);
    for (const who of ['joe', 'eve']) tokens[who] = (await form({ username: who, password })).body.access_token;
    tokens.admin = (await form({ username: 'admin', password: adminPassword })).body.access_token;
  });

  it('takes tokens and API keys of the REST API too', async () => {
    const token = await program.login('joe', password);
    expect((await ask(token, 'GET', '/users/me')).status).toBe(200);
    const { jwt } = (await program.call('POST', '/keys', { name: 'key', ttl: 1 }, { token })).body;
    expect((await ask(jwt, 'GET', '/users/me')).status).toBe(200);
    expect((await issue(jwt, {})).body.detail).toContain('key:read');
    expect((await issue(jwt, { include_private_key: false })).status).toBe(201);
  });

  it('refuses a wrong password and a missing field in the form of FastAPI', async () => {
    const wrong = await form({ username: 'joe', password: 'Wrong-Horse-1!' });
    expect([wrong.status, wrong.body]).toEqual([401, { detail: 'The name or the password is wrong.' }]);
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer');
    expect((await form({ username: 'joe' })).body).toEqual({
      detail: [{ type: 'missing', loc: ['body', 'password'], msg: 'Required' }],
    });
    expect((await ask(null, 'GET', '/users/me')).status).toBe(401);
  });

  it('ends every session at logout', async () => {
    await signUp('leaver');
    const pair = (await form({ username: 'leaver', password })).body;
    const { access_token: token, refresh_token } = pair;
    expect((await ask(token, 'POST', '/auth/logout', { refresh_token })).status).toBe(204);
    expect((await ask(token, 'GET', '/users/me')).status).toBe(401);
    expect((await ask(null, 'POST', '/auth/refresh', { refresh_token })).status).toBe(401);
    const other = (await form({ username: 'leaver', password })).body.access_token;
    expect((await ask(other, 'POST', '/auth/invalidate')).status).toBe(204);
    expect((await ask(other, 'GET', '/users/me')).status).toBe(401);
  });

  it('takes forms at the sign-in alone', async () => {
    const init = { method: 'POST', body: new URLSearchParams({ reason: '' }) };
    const headers = { authorization: `Bearer ${tokens.joe}` };
    const answer = await fetch(`${program.url}/api/v1/certificates/1/revoke`, { ...init, headers });
    expect(answer.status).toBe(415);
  });
});

describe('requests for certificates', () => {
  it('keep every attribute of the subject, in order, and have both common names as names', async () => {
    const subject_dn = 'CN=www.example.com,CN=example.com,OU=Web,OU=Ops,O=Acme\\, Inc.,serialNumber=7,C=US';
    const { body } = await issue('joe', { subject_dn });
    expect(body.subject_dn).toBe(subject_dn);
    const text = opensslText(body.certificate);
    expect(text).toContain('DNS:example.com, DNS:www.example.com\n');
  });

  it('have the key sizes that are made here', async () => {
    expect((await issue('joe', { key_size: 1024 })).body).toEqual({ detail: expect.stringContaining('RSA2048') });
    expect((await issue('joe', { key_size: 3072 })).body).toMatchObject({ key_size: 3072 });
  });

  it.each([
    ['a server with an e-mail address', { san_email_addresses: ['joe@example.com'] }],
    ['a client with a DNS name', { certificate_type: 'client', san_dns_names: ['www.example.com'] }],
    ['a client with an IP address', { certificate_type: 'client', san_ip_addresses: ['10.0.0.1'] }],
    ['a name that is none', { san_dns_names: ['no name'] }],
    ['an address that is none', { san_ip_addresses: ['10.0.0.256'] }],
    ['another common name', { common_name: 'other.example.com' }],
    ['a subject without a common name', { subject_dn: 'O=Acme' }],
    ['a subject that is none', { subject_dn: 'www.example.com' }],
    ['a CA', { certificate_type: 'ca' }],
    ['an end after that of the CA', { valid_days: 10_000 }],
  ])('for %s are refused with 400 and a text', async (_, more) => {
    const { status, body } = await issue('joe', more);
    expect([status, body]).toEqual([400, { detail: expect.stringMatching(/^[^{[]{10,}$/) }]);
  });

  it.each([
    [{ valid_days: 'soon' }, ['body', 'valid_days']],
    [{ certificate_type: 'printer' }, ['body', 'certificate_type']],
    [{ san_dns_names: ['a', 5] }, ['body', 'san_dns_names', 1]],
    [{ favourite_colour: 'blue' }, ['body', 'favourite_colour']],
  ])('of the wrong shape are refused with 422: %j', async (more, loc) => {
    const { status, body } = await issue('joe', more);
    expect([status, body.detail[0].loc]).toEqual([422, loc]);
  });

  it('say which CA they mean, and one that the user may see', async () => {
    expect((await ask('joe', 'POST', '/certificates/', server)).body.detail).toEqual([
      { type: 'missing', loc: ['query', 'ca_id'], msg: 'Required' },
    ]);
    expect((await issue('joe', {}, 'x')).body.detail[0].loc).toEqual(['query', 'ca_id']);
    expect((await issue('joe', {}, 999)).status).toBe(404);
    expect((await issue('eve', {})).status).toBe(404);
  });

  it('for a key that the user could not read are refused before anything is made', async () => {
    await program.ok('POST', '/authorities', { name: 'operated', owner: 'ops@example.com', commonName: 'Operated' });
    await signUp('olga', 'operator');
    const before = (await program.ok('GET', '/certificates')).total;
    const refused = await issue('olga', {});
    expect([refused.status, refused.body.detail]).toEqual([403, expect.stringContaining('olga@example.com')]);
    expect((await program.ok('GET', '/certificates')).total).toBe(before);
    const issued = await issue('olga', { include_private_key: false });
    expect([issued.status, issued.body.private_key]).toEqual([201, null]);
    expect(await program.ok('GET', `/certificates/${issued.body.id}`)).toMatchObject({
      owner: 'olga@example.com',
      hasPrivateKey: true,
    });
    expect((await ask('olga', 'GET', `/certificates/${issued.body.id}/private-key`)).status).toBe(403);
  });

  it('that are repeated with their Idempotency-Key make nothing again', async () => {
    const headers = {
      authorization: `Bearer ${tokens.joe}`,
      'content-type': 'application/json',
      'idempotency-key': 'once',
    };
    const send = async (body: object) => {
      const init = { method: 'POST', headers, body: JSON.stringify(body) };
      const answer = await fetch(`${program.url}/api/v1/certificates/?ca_id=${ca.id}`, init);
      return { status: answer.status, body: (await answer.json()) as Json };
    };
    const first = await send(server);
    expect(await send(server)).toEqual(first);
    expect((await send({ ...server, subject_dn: 'CN=www.example.com,O=Other' })).status).toBe(409);
  });
});

describe('sign-csr', () => {
  const { csrPem: csr } = opensslCsr(
    '/C=US/O=Acme/UID=7/CN=old.example.com',
    ['-addext', 'subjectAltName=DNS:a.example.com,IP:10.0.0.1'],
    'ec',
  );

  it('takes subject, names and key of the CSR', async () => {
    const { status, body } = await sign('joe', { csr, valid_days: 30 });
    expect(status).toBe(201);
    expect(body).toMatchObject({ subject_dn: 'CN=old.example.com,UID=7,O=Acme,C=US', valid_days: 30, key_size: 256 });
    expect(opensslText(body.certificate)).toContain('DNS:old.example.com, DNS:a.example.com, IP Address:10.0.0.1');
    expect(await program.ok('GET', `/certificates/${body.id}`)).toMatchObject({ hasPrivateKey: false, owner: team });
  });

  it('overrides the common name, the whole subject, and each kind of names for itself', async () => {
    const named = (await sign('joe', { csr, common_name: 'new.example.com', san_dns_names: ['b.example.com'] })).body;
    expect(named.subject_dn).toBe('CN=new.example.com,UID=7,O=Acme,C=US');
    expect(opensslText(named.certificate)).toContain('DNS:new.example.com, IP Address:10.0.0.1, DNS:b.example.com');
    const subject_dn = 'CN=new.example.com,OU=a,OU=b';
    expect((await sign('joe', { csr, subject_dn })).body.subject_dn).toBe(subject_dn);
    expect((await sign('joe', { csr, subject_dn, common_name: 'other.example.com' })).status).toBe(400);
  });

  it('finds the CA by its name among those that the user sees', async () => {
    expect((await sign('joe', { csr, ca_id: null, ca_name: caName.toUpperCase() })).status).toBe(201);
    expect((await sign('joe', { csr, ca_id: null, ca_name: 'Acme' })).status).toBe(404);
    expect((await sign('eve', { csr, ca_id: null, ca_name: caName })).status).toBe(404);
    expect((await sign('joe', { csr, ca_name: caName })).status).toBe(422);
    expect((await sign('joe', { csr, ca_id: null })).body.detail[0].loc).toEqual(['body', 'ca_id']);
  });

  it('refuses what is no CSR, a CA and names of the wrong kind with 400', async () => {
    expect((await sign('joe', { csr: 'no CSR' })).status).toBe(400);
    expect((await sign('joe', { csr, certificate_type: 'ca' })).status).toBe(400);
    expect((await sign('joe', { csr, certificate_type: 'client' })).status).toBe(400);
    expect((await sign('joe', { csr: csr.replace(/A/, 'B') })).status).toBe(400);
  });
});

describe('certificates', () => {
  it('are revoked once, for the reason that the text begins with', async () => {
    const revoked = async (body?: object): Promise<Json> => {
      const { id } = (await issue('joe', { include_private_key: false })).body;
      expect((await ask('joe', 'POST', `/certificates/${id}/revoke`, body)).status).toBe(200);
      const again = await ask('joe', 'POST', `/certificates/${id}/revoke`, body);
      expect([again.status, again.body]).toEqual([409, { detail: expect.any(String) }]);
      return program.ok('GET', `/certificates/${id}`);
    };
    expect((await revoked({ reason: 'Superseded by another' })).revocationReason).toBe(4);
    expect((await revoked({ reason: 'We moved' })).revocationReason).toBe(0);
    expect((await revoked({})).revocationReason).toBe(0);
    expect((await revoked()).revocationReason).toBe(0);
  });

  it('are only those that a CA here has issued, and strangers change nothing', async () => {
    const { id } = (await issue('joe', {})).body;
    expect((await ask('eve', 'GET', `/certificates/${id}`)).status).toBe(200);
    expect((await ask('eve', 'GET', `/certificates/${id}/private-key`)).status).toBe(403);
    expect((await ask('eve', 'POST', `/certificates/${id}/revoke`, {})).status).toBe(403);
    const recorded = await program.database.db.single.query<{ action: string }[]>(
      `select action from audit_event where target_type = 'certificate' and target_id = $1 order by id`,
      [String(id)],
    );
    expect(recorded.map(({ action }) => action)).toEqual(['certificate.issued', 'key.viewed', 'key.refused']);
    const uploaded = await program.ok('POST', '/certificates/upload', {
      owner: team,
      body: (await program.ok('GET', `/authorities/${ca.id}`)).authorityCertificate.body,
    });
    expect((await ask('joe', 'GET', `/certificates/${uploaded.id}`)).status).toBe(404);
    expect((await ask('joe', 'POST', `/certificates/${uploaded.id}/revoke`, {})).status).toBe(404);
    const listed = (await ask('joe', 'GET', '/certificates')).body.map((one: Json) => one.id);
    expect(listed).not.toContain(uploaded.id);
    expect(listed).toContain(id);
    expect((await ask('joe', 'GET', '/certificates/999999')).status).toBe(404);
    expect((await ask('joe', 'GET', '/certificates/x')).body.detail[0].loc).toEqual(['path', 'cert_id']);
  });

  it('of a CA without any are an empty list', async () => {
    const empty = await program.ok('POST', '/authorities', { name: 'empty', owner: team, commonName: 'Empty' });
    expect((await ask('joe', 'GET', `/certificates/?ca_id=${empty.id}`)).body).toEqual([]);
  });
});

describe('CAs', () => {
  const root = { name: 'Acme Root', subject_dn: 'CN=Acme Root,O=Acme Corp,C=US', key_size: 2048, path_length: 2 };

  it('are made with a key that nobody gets, and found with those below them', async () => {
    await signUp('boss', 'admin', team);
    const made = await ask('boss', 'POST', '/cas/', root);
    expect([made.status, made.body]).toEqual([
      201,
      expect.objectContaining({
        name: 'Acme Root',
        subject_dn: root.subject_dn,
        key_size: 2048,
        valid_days: 3650,
        path_length: 2,
        parent_ca_id: null,
        is_root: true,
        allow_leaf_certs: true,
        private_key: null,
      }),
    ]);
    const below = await ask('boss', 'POST', '/cas/', {
      ...root,
      name: 'Acme Sub',
      subject_dn: 'CN=Acme Sub,O=Acme Corp,C=US',
      parent_ca_id: made.body.id,
      path_length: null,
    });
    expect(below.body).toMatchObject({ parent_ca_id: made.body.id, path_length: 1, is_root: false });
    const ids = (list: Json[]): number[] => list.map(({ id }) => id);
    expect(ids((await ask('boss', 'GET', `/cas/${below.body.id}/chain`)).body)).toEqual([below.body.id, made.body.id]);
    expect(ids((await ask('boss', 'GET', `/cas/${made.body.id}/children`)).body)).toEqual([below.body.id]);
    expect(ids((await ask('boss', 'GET', '/cas/')).body)).toEqual(expect.arrayContaining([ca.id, made.body.id]));
    expect(ids((await ask('joe', 'GET', '/cas/')).body)).toContain(made.body.id);
    expect((await ask('eve', 'GET', '/cas/')).body).toEqual([]);
    expect((await ask('eve', 'GET', `/cas/${made.body.id}`)).status).toBe(404);
    expect((await ask('boss', 'GET', `/cas/${made.body.id}/private-key`)).status).toBe(403);
    expect((await ask('boss', 'DELETE', `/cas/${made.body.id}`)).status).toBe(409);
    const fresh = await ask('boss', 'POST', '/cas/', { ...root, name: 'Unused' });
    expect((await ask('boss', 'DELETE', `/cas/${fresh.body.id}`)).status).toBe(204);
  });

  it("made by the first administrator belong to the owner of the CA above, and are nobody's without one", async () => {
    const alone = await ask('admin', 'POST', '/cas/', { ...root, name: 'Alone' });
    expect([alone.status, alone.body.detail]).toEqual([400, expect.stringContaining('Nobody would own it')]);
    const below = await ask('admin', 'POST', '/cas/', { ...root, name: 'Below', parent_ca_id: ca.id, path_length: 0 });
    expect((await program.ok('GET', `/authorities/${below.body.id}`)).owner).toBe(team);
    const { id } = (await issue('admin', {})).body;
    expect((await program.ok('GET', `/certificates/${id}`)).owner).toBe(team);
  });

  it.each([
    ['without a right', 'joe', {}, 403],
    ['with a subject in another order', 'boss', { subject_dn: 'C=US,CN=Acme' }, 400],
    ['that issues to no leaf', 'boss', { allow_leaf_certs: false }, 400],
    ['with an address of its CRL', 'boss', { crl_base_url: 'http://crl.example.com' }, 400],
    ['below one that there is not', 'boss', { parent_ca_id: 999 }, 400],
    ['below one that there is not, with any path length', 'boss', { parent_ca_id: 999, path_length: null }, 400],
    ['with a key that is not made here', 'boss', { key_size: 1000 }, 400],
  ])('%s are refused', async (_, who, more, status) => {
    expect((await ask(who, 'POST', '/cas/', { ...root, name: 'Refused', ...more })).status).toBe(status);
  });
});

describe('a refused request for a private key', () => {
  const refusals = (): Promise<Json[]> =>
    program.database.db.single.query(
      `select target_type as type, target_id as id, api_key_id is not null as key from audit_event
        where action = 'key.refused' order by audit_event.id desc limit 2`,
    );

  it('is recorded for each certificate, also of an API key without the scope', async () => {
    const { jwt } = await program.ok('POST', '/keys', { name: 'x', ttl: -1, scopes: ['certificate:read'] });
    const ids: string[] = [(await issue('joe', {})).body.id, (await issue('joe', {})).body.id].map(String);
    for (const id of [...ids, ...ids])
      expect((await ask(jwt, 'GET', `/certificates/${id}/private-key`)).status).toBe(403);
    expect((await refusals()).reverse()).toEqual(ids.map((id) => ({ type: 'certificate', id, key: true })));
  });

  it('is recorded for a CA, whose key nobody may read', async () => {
    for (const who of ['joe', 'joe']) expect((await ask(who, 'GET', `/cas/${ca.id}/private-key`)).status).toBe(403);
    const own = await refusals();
    expect(own[0]).toEqual({ type: 'authority', id: String(ca.id), key: false });
    expect(own[1]?.type).toBe('certificate');
  });
});

/** What each route answers to whom. `joe` is of the team that owns everything in the paths, `rita` reads only. */
const rights = `
                                             none  eve   rita  joe   olga  admin
post   /auth/token                           422   422   422   422   422   422
post   /auth/refresh                         422   422   422   422   422   422
get    /users/me                             401   200   200   200   200   200
get    /cas                                  401   200   200   200   200   200
post   /cas                                  401   403   403   403   403   201
get    /cas/:id                              401   404   200   200   200   200
get    /cas/:id/chain                        401   404   200   200   200   200
get    /cas/:id/children                     401   404   200   200   200   200
get    /cas/:id/private-key                  401   404   403   403   403   403
delete /cas/:id                              401   403   403   403   403   409
get    /certificates                         401   200   200   200   200   200
post   /certificates                         401   404   403   201   201   201
post   /certificates/sign-csr                401   404   403   201   201   201
get    /certificates/:id                     401   200   200   200   200   200
get    /certificates/:id/private-key         401   403   403   200   403   200
post   /certificates/:id/revoke              401   403   403   200   403   200
post   /auth/logout                          401   204   204   204   204   204
post   /auth/invalidate                      401   204   204   204   204   204
`;

describe('rights', () => {
  const [head = '', ...rows] = rights.trim().split('\n');
  const actors = head.trim().split(/\s+/);
  let number = 0;
  const bodies: Readonly<Record<string, () => object>> = {
    '/auth/logout': () => ({ refresh_token: 'x' }),
    '/cas': () => ({ name: `made-${++number}`, subject_dn: 'CN=Made', key_size: 2048, parent_ca_id: ca.id }),
    '/certificates': () => ({ ...server, include_private_key: false }),
    '/certificates/sign-csr': () => ({
      csr: opensslCsr('/CN=host.example.com', [], 'ec').csrPem,
      ca_id: ca.id,
      certificate_type: 'server',
    }),
  };

  beforeAll(() => signUp('rita', 'read-only', team));

  it('has a row for every route', () => {
    const served = routesOf(program).filter((route) => route.includes('/api/v1/'));
    expect(served.map((route) => route.replace('/api/v1', '')).sort()).toEqual(
      rows.map((row) => row.split(/\s+/).slice(0, 2).join(' ')).sort(),
    );
  });

  it.each(rows.map((row) => row.split(/\s+/)))('of %s %s', async (method = '', route = '', ...expected) => {
    const answered: string[] = [];
    for (const who of actors) {
      const id = route.startsWith('/certificates/:id') ? (await issue('joe', {})).body.id : ca.id;
      const path = route.replace(':id', id);
      const query = method === 'post' && route === '/certificates' ? `?ca_id=${ca.id}` : '';
      const body = method === 'post' ? (bodies[route]?.() ?? {}) : undefined;
      const { status } = await ask(who === 'none' ? null : who, method.toUpperCase(), path + query, body);
      answered.push(String(status));
      const secret = who === 'admin' ? adminPassword : password;
      if (status === 204) tokens[who] = (await form({ username: who, password: secret })).body.access_token;
    }
    expect(answered).toEqual(expected);
  });
});
