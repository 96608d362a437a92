import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';

describe('ways around the right to a key', () => {
  let program: TestProgram;
  let bob = '';
  let operator = '';
  let certificate: { id: number };
  const as = (token: string, method: string, path: string, body?: unknown) => program.call(method, path, body, { token });

  beforeAll(async () => {
    program = await startProgram();
    const { ok } = program;
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    const linked = await ok('POST', '/roles', { name: 'linked' });
    certificate = await ok('POST', '/certificates', { owner: 'joe@example.com', commonName: 'a.example.com', authority: { name: 'root' }, roles: [{ id: linked.id }] });
    await ok('POST', '/destinations', { label: 'web', plugin: { id: 'filesystem', options: { path: `${program.dataDir}-web` } } });
    const { items } = await ok('GET', '/roles?count=200');
    const role = (name: string) => items.find((one: { name: string }) => one.name === name);
    await ok('POST', '/users', { username: 'bob', email: 'bob@example.com', password, roles: [{ id: linked.id }] });
    await ok('POST', '/users', { username: 'oper', email: 'oper@example.com', password, roles: [{ id: role('operator').id }] });
    bob = await program.login('bob', password);
    operator = await program.login('oper', password);
  });
  afterAll(() => program.stop());

  it('holds for one who may change the certificate but not read its key', async () => {
    const { id } = certificate;
    expect((await as(bob, 'PUT', `/certificates/${id}`, { description: 'mine to describe' })).status).toBe(200);
    expect((await as(bob, 'GET', `/certificates/${id}/key`)).status).toBe(403);
    expect((await as(bob, 'PUT', `/certificates/${id}`, { owner: 'bob@example.com' })).status).toBe(403);
    expect((await as(bob, 'PUT', `/certificates/${id}`, { roles: [{ name: 'root_admin' }] })).status).toBe(403);
    expect((await as(bob, 'PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] })).status).toBe(403);
    expect((await as(bob, 'POST', `/certificates/${id}/export`, { plugin: { id: 'pem-bundle' } })).status).toBe(403);
    expect((await as(bob, 'POST', `/certificates/${id}/reissue`)).status).toBe(403);
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({ owner: 'joe@example.com', destinations: [], replacedBy: [] });
  });

  it('needs a role on that certificate that carries key:read, the creator and the authority of the owner notwithstanding', async () => {
    const { id } = certificate;
    const { items } = await program.ok('GET', '/roles?count=200');
    const role = (name: string) => items.find((one: { name: string }) => one.name === name);
    expect([role('joe@example.com'), role('pki@example.com'), role('linked'), role('root_admin')].map(({ permissions }) => permissions)).toEqual([['key:read'], ['key:read'], [], []]);
    const key = async (username: string, ...roles: object[]) => {
      await program.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles });
      return (await as(await program.login(username, password), 'GET', `/certificates/${id}/key`)).status;
    };
    expect(await key('joe', role('joe@example.com'))).toBe(200);
    expect(await key('pat', role('pki@example.com'))).toBe(403);
    expect(await key('roy', role('root_admin'))).toBe(403);
    const made = await as(operator, 'POST', '/certificates', { owner: 'joe@example.com', commonName: 'c.example.com', authority: { name: 'root' } });
    expect([made.status, (await as(operator, 'GET', `/certificates/${made.body.id}/key`)).status]).toEqual([200, 403]);
    await program.ok('PUT', `/roles/${role('linked').id}`, { permissions: ['key:read'] });
    expect((await as(bob, 'GET', `/certificates/${id}/key`)).status).toBe(200);
    await program.ok('PUT', `/roles/${role('linked').id}`, { permissions: [] });
    expect((await as(bob, 'GET', `/certificates/${id}/key`)).status).toBe(403);
  });

  it('holds for an API key whose scopes leave key:read out, whoever it acts for', async () => {
    const { id } = certificate;
    const scopes = ['certificate:read', 'certificate:issue', 'certificate:import', 'certificate:update', 'certificate:export', 'authority:read', 'destination:read'];
    const { jwt: scoped } = await program.ok('POST', '/keys', { name: 'deployer', ttl: 1, scopes });
    const issue = { owner: 'joe@example.com', commonName: 'd.example.com', authority: { name: 'root' } };
    const attempts: [string, string, object?][] = [
      ['GET', `/certificates/${id}/key`], ['POST', `/certificates/${id}/export`, { plugin: { id: 'pem-bundle' } }], ['PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] }],
      ['PUT', `/certificates/${id}`, { owner: 'bob@example.com' }], ['PUT', `/certificates/${id}`, { roles: [{ name: 'root_admin' }] }], ['POST', '/certificates', { ...issue, destinations: [{ label: 'web' }] }],
    ];
    for (const [method, path, body] of attempts) expect((await as(scoped, method, path, body)).status, `${method} ${path}`).toBe(403);
    expect((await as(scoped, 'POST', '/certificates', issue)).status).toBe(200);
    const { jwt: whole } = await program.ok('POST', '/keys', { name: 'whole', ttl: 1 });
    expect((await as(whole, 'GET', `/certificates/${id}/key`)).status).toBe(200);
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({ owner: 'joe@example.com', destinations: [] });
  });

  it('lets no role carry what would be a right elsewhere, and no built-in role anything more', async () => {
    expect((await program.call('POST', '/roles', { name: 'spreading', permissions: ['user:write'] })).status).toBe(400);
    const { items: [operators] } = await program.ok('GET', '/roles?filter=name;operator');
    expect((await program.call('PUT', `/roles/${operators.id}`, { permissions: ['key:read'] })).status).toBe(409);
  });

  it('lets nobody who may only issue change what an authority is', async () => {
    const change = { owner: 'oper@example.com', maxValidityDays: null, plugin: { id: 'local-ca', options: { crlDistributionPoints: ['http://elsewhere.example/crl'] } } };
    expect((await as(operator, 'PUT', '/authorities/1', change)).status).toBe(403);
    expect((await program.ok('GET', '/authorities/1')).owner).toBe('pki@example.com');
  });

  it.each([
    ['names', '2.5.29.17'], ['constraints', '2.5.29.19'], ['usages', '2.5.29.15'], ['where to ask for revocation', '2.5.29.31'],
    ['where to ask OCSP', '1.3.6.1.5.5.7.1.1'], ['that nobody need ask', '1.3.6.1.5.5.7.48.1.5'],
  ])('lets no request write %s as an extension of its own', async (_, oid) => {
    const extensions = { custom: [{ oid, encoding: 'b64asn1', value: 'BQA=' }] };
    const { status, body } = await program.call('POST', '/certificates', { owner: 'joe@example.com', commonName: 'x.example.com', authority: { name: 'root' }, extensions });
    expect([status, Object.keys(body.reasons)]).toEqual([400, ['extensions.custom.0.oid']]);
  });

  it('keeps nothing of an object that a client sends back but what names it', async () => {
    const { id } = await program.ok('POST', '/certificates', { owner: 'joe@example.com', commonName: 'b.example.com', authority: { name: 'root' } });
    await program.ok('PUT', `/certificates/${id}`, { destinations: [{ label: 'web', plugin: { pluginOptions: [{ name: 'secretAccessKey', value: 'Marker-9c1d' }] } }] });
    expect(JSON.stringify(await program.ok('GET', '/logs?count=200'))).not.toContain('Marker-9c1d');
  });
});
