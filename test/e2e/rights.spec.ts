import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rotateCertificate } from '../../src/certificates/rotate/rotate.job.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';

describe('rights to certificates, private keys and authorities', () => {
  let program: TestProgram;
  let bob = '';
  let operator = '';
  let certificate: { id: number };
  let destination = 0;
  const as = (token: string, method: string, path: string, body?: unknown) =>
    program.call(method, path, body, { token });

  beforeAll(async () => {
    program = await startProgram();
    const { ok } = program;
    await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
    const linked = await ok('POST', '/roles', { name: 'linked' });
    certificate = await ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'a.example.com',
      authority: { name: 'root' },
      roles: [{ id: linked.id }],
    });
    ({ id: destination } = await ok('POST', '/destinations', {
      label: 'web',
      plugin: { id: 'filesystem', options: { path: `${program.dataDir}-web` } },
    }));
    const { items } = await ok('GET', '/roles?count=200');
    const role = (name: string) => items.find((one: { name: string }) => one.name === name);
    await ok('POST', '/users', { username: 'bob', email: 'bob@example.com', password, roles: [{ id: linked.id }] });
    await ok('POST', '/users', {
      username: 'oper',
      email: 'oper@example.com',
      password,
      roles: [{ id: role('operator').id }],
    });
    bob = await program.login('bob', password);
    operator = await program.login('oper', password);
  });
  afterAll(() => program.stop());

  it('a user who may only change a certificate cannot read, export, deliver or reissue its key', async () => {
    const { id } = certificate;
    expect((await as(bob, 'PUT', `/certificates/${id}`, { description: 'mine to describe' })).status).toBe(200);
    expect((await as(bob, 'GET', `/certificates/${id}/key`)).status).toBe(403);
    expect((await as(bob, 'PUT', `/certificates/${id}`, { owner: 'bob@example.com' })).status).toBe(403);
    expect((await as(bob, 'PUT', `/certificates/${id}`, { roles: [{ name: 'root_admin' }] })).status).toBe(403);
    expect((await as(bob, 'PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] })).status).toBe(403);
    expect((await as(bob, 'POST', `/certificates/${id}/export`, { plugin: { id: 'pem-bundle' } })).status).toBe(403);
    expect((await as(bob, 'POST', `/certificates/${id}/reissue`)).status).toBe(403);
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({
      owner: 'joe@example.com',
      destinations: [],
      replacedBy: [],
    });
  });

  it('key:read comes from a role of the certificate, not from its creation or its authority', async () => {
    const { id } = certificate;
    const { items } = await program.ok('GET', '/roles?count=200');
    const role = (name: string) => items.find((one: { name: string }) => one.name === name);
    expect(
      [role('joe@example.com'), role('pki@example.com'), role('linked'), role('root_admin')].map(
        ({ permissions }) => permissions,
      ),
    ).toEqual([['key:read'], ['key:read'], [], []]);
    const key = async (username: string, ...roles: object[]) => {
      await program.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles });
      return (await as(await program.login(username, password), 'GET', `/certificates/${id}/key`)).status;
    };
    expect(await key('joe', role('joe@example.com'))).toBe(200);
    expect(await key('pat', role('pki@example.com'))).toBe(403);
    expect(await key('roy', role('root_admin'))).toBe(403);
    const made = await as(operator, 'POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'c.example.com',
      authority: { name: 'root' },
    });
    expect([made.status, (await as(operator, 'GET', `/certificates/${made.body.id}/key`)).status]).toEqual([200, 403]);
    await program.ok('PUT', `/roles/${role('linked').id}`, { permissions: ['key:read'] });
    expect((await as(bob, 'GET', `/certificates/${id}/key`)).status).toBe(200);
    await program.ok('PUT', `/roles/${role('linked').id}`, { permissions: [] });
    expect((await as(bob, 'GET', `/certificates/${id}/key`)).status).toBe(403);
  });

  it('the owner of an authority gets no key of its certificates by that, nor by a change or a renewal', async () => {
    const { ok } = program;
    const ca = await ok('POST', '/authorities', { name: 'handed', owner: 'ca@example.com', commonName: 'Handed Root' });
    await ok('POST', '/users', {
      username: 'carl',
      email: 'carl@example.com',
      password,
      roles: [{ name: 'ca@example.com' }],
    });
    const carl = await program.login('carl', password);
    const issue = (commonName: string, more: object = {}) =>
      ok('POST', '/certificates', { owner: 'joe@example.com', commonName, authority: { name: 'handed' }, ...more });
    const byIssuer = async (id: number) =>
      Object.fromEntries(
        (await ok('GET', `/certificates/${id}`)).roles.map((role: { name: string; byIssuer: boolean }) => [
          role.name,
          role.byIssuer,
        ]),
      );
    const key = async (id: number) => (await as(carl, 'GET', `/certificates/${id}/key`)).status;
    const [plain, own, asked] = [
      await issue('plain.example.com'),
      await issue('own.example.com', { owner: 'ca@example.com' }),
      await issue('asked.example.com', { roles: [{ name: 'CA@example.com' }] }),
    ];
    expect(await byIssuer(plain.id)).toEqual({ 'joe@example.com': false, 'ca@example.com': true });
    expect(await Promise.all([plain, own, asked].map(({ id }) => key(id)))).toEqual([403, 200, 200]);

    await ok('PUT', `/authorities/${ca.id}`, { owner: 'nobody@example.com' });
    expect(await Promise.all([plain, own, asked].map(({ id }) => key(id)))).toEqual([403, 200, 200]);
    expect((await as(carl, 'PUT', `/certificates/${plain.id}`, { destinations: [{ label: 'web' }] })).status).toBe(403);
    // What a client read and sends back grants nothing.
    const { roles } = await ok('GET', `/certificates/${plain.id}`);
    expect(
      (
        await as(carl, 'PUT', `/certificates/${plain.id}`, {
          roles: roles.map((role: object) => ({ ...role, byIssuer: false })),
        })
      ).status,
    ).toBe(200);
    await ok('POST', '/certificates/bulk', {
      ids: [plain.id, own.id],
      change: { owner: 'amy@example.com' },
      dryRun: false,
    });
    for (const { id } of [plain, own])
      expect([await byIssuer(id), await key(id)]).toEqual([{ 'amy@example.com': false, 'ca@example.com': true }, 403]);
    const renewed = await ok('POST', `/certificates/${plain.id}/reissue`);
    expect([await byIssuer(renewed.id), await key(renewed.id)]).toEqual([
      { 'amy@example.com': false, 'ca@example.com': true },
      403,
    ]);
    expect(await byIssuer((await ok('POST', `/certificates/${asked.id}/reissue`)).id)).toEqual({
      'joe@example.com': false,
      'ca@example.com': false,
    });
  });

  it('a change is refused when the certificate meanwhile gets another owner or loses a role', async () => {
    const { id } = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'race.example.com',
      authority: { name: 'root' },
      roles: [{ name: 'linked' }],
    });
    const meanwhile = async (change: string) => {
      let answer: Promise<{ status: number }> | undefined;
      await program.database.source.transaction(async (tx) => {
        await tx.query('select from certificate where id = $1 for update', [id]);
        answer = as(bob, 'PUT', `/certificates/${id}`, { description: 'too late' });
        await eventually(
          async () =>
            (await tx.query(`select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))`))
              .length > 0,
        );
        await tx.query(change, [id]);
      });
      return (await answer)?.status;
    };
    expect(await meanwhile(`update certificate set owner = 'amy@example.com' where id = $1`)).toBe(409);
    expect(await meanwhile('delete from certificate_role where certificate_id = $1')).toBe(403);
    expect((await program.ok('GET', `/certificates/${id}`)).description).toBeNull();
  });

  it('an API key that does not name the scope key:read gets no private key, whatever its user may do', async () => {
    const { id } = certificate;
    const scopes = [
      'certificate:read',
      'certificate:issue',
      'certificate:import',
      'certificate:update',
      'certificate:export',
      'authority:read',
      'destination:read',
    ];
    const keys = [scopes, null].map((held) => program.ok('POST', '/keys', { name: 'k', ttl: 1, scopes: held }));
    const issue = { owner: 'joe@example.com', commonName: 'd.example.com', authority: { name: 'root' } };
    const elsewhere = { id: 'filesystem', options: { path: `${program.dataDir}-elsewhere` } };
    const attempts: [string, string, object?][] = [
      ['GET', `/certificates/${id}/key`],
      ['POST', `/certificates/${id}/export`, { plugin: { id: 'pem-bundle' } }],
      ['PUT', `/certificates/${id}`, { destinations: [{ label: 'web' }] }],
      ['PUT', `/certificates/${id}`, { owner: 'bob@example.com' }],
      ['PUT', `/certificates/${id}`, { roles: [{ name: 'root_admin' }] }],
      ['POST', '/certificates', { ...issue, destinations: [{ label: 'web' }] }],
      ['PUT', `/destinations/${destination}`, { label: 'web', plugin: elsewhere }],
    ];
    for (const { jwt } of await Promise.all(keys)) {
      for (const [method, path, body] of attempts) {
        expect(await as(jwt, method, path, body), `${method} ${path}`).toMatchObject({
          status: 403,
          body: { detail: expect.stringMatching(/key:read|certificate:update|destination:write|hands it over/) },
        });
      }
      expect((await as(jwt, 'POST', '/certificates', issue)).status).toBe(200);
    }
    const { jwt: named } = await program.ok('POST', '/keys', { name: 'named', ttl: 1, scopes: ['key:read'] });
    expect((await as(named, 'GET', `/certificates/${id}/key`)).status).toBe(200);
    expect(await program.ok('GET', `/certificates/${id}`)).toMatchObject({
      owner: 'joe@example.com',
      destinations: [],
    });
  });

  it('a role cannot carry user:write, and a built-in role gets no further permission', async () => {
    expect((await program.call('POST', '/roles', { name: 'spreading', permissions: ['user:write'] })).status).toBe(400);
    const {
      items: [operators],
    } = await program.ok('GET', '/roles?filter=name;operator');
    expect((await program.call('PUT', `/roles/${operators.id}`, { permissions: ['key:read'] })).status).toBe(409);
  });

  it('a user who may only issue cannot change the owner, the limits or the options of an authority', async () => {
    const change = {
      owner: 'oper@example.com',
      maxValidityDays: null,
      plugin: { id: 'local-ca', options: { crlDistributionPoints: ['http://elsewhere.example/crl'] } },
    };
    expect((await as(operator, 'PUT', '/authorities/1', change)).status).toBe(403);
    expect((await program.ok('GET', '/authorities/1')).owner).toBe('pki@example.com');
  });

  it.each([
    ['subjectAltName', '2.5.29.17'],
    ['basicConstraints', '2.5.29.19'],
    ['keyUsage', '2.5.29.15'],
    ['cRLDistributionPoints', '2.5.29.31'],
    ['authorityInfoAccess', '1.3.6.1.5.5.7.1.1'],
    ['id-pkix-ocsp-nocheck', '1.3.6.1.5.5.7.48.1.5'],
  ])('a request cannot write %s as a custom extension', async (_, oid) => {
    const extensions = { custom: [{ oid, encoding: 'b64asn1', value: 'BQA=' }] };
    const { status, body } = await program.call('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'x.example.com',
      authority: { name: 'root' },
      extensions,
    });
    expect([status, Object.keys(body.reasons)]).toEqual([400, ['extensions.custom.0.oid']]);
  });

  it('a successor gets the owner to whom its predecessor is handed over during the renewal', async () => {
    const issue = (commonName: string, more: object = {}) =>
      program.ok('POST', '/certificates', {
        owner: 'joe@example.com',
        commonName,
        authority: { name: 'root' },
        validityDays: 90,
        ...more,
      });
    const handedOverDuring = async <T>(id: number, renew: () => T): Promise<T> =>
      program.database.source.transaction(async (tx) => {
        // Storing a successor locks this row first: a lock on a later table would deadlock with the update below.
        await tx.query('select from certificate where id = $1 for update', [id]);
        const renewed = renew();
        await eventually(
          async () =>
            (await tx.query(`select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))`))
              .length > 0,
        );
        await tx.query(`update certificate set owner = 'amy@example.com' where id = $1`, [id]);
        return renewed;
      });
    const [byPerson, byProgram] = [
      await issue('person.example.com'),
      await issue('program.example.com', { rotation: true }),
    ];
    const [answer] = await handedOverDuring(byPerson.id, () => [
      program.call('POST', `/certificates/${byPerson.id}/reissue`),
    ]);
    expect(await answer).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('has been changed meanwhile') },
    });
    expect(await program.ok('POST', `/certificates/${byPerson.id}/reissue`)).toMatchObject({
      owner: 'amy@example.com',
    });
    // The sweep skips a locked row, so the job is enqueued here.
    const renewed = await handedOverDuring(byProgram.id, () => {
      program.clock.advance(70 * 86_400_000);
      return [program.database.db.write((tx) => rotateCertificate.enqueue(tx, { certificateId: byProgram.id }))];
    });
    await Promise.all(renewed);
    const {
      replacedBy: [heir],
    } = await eventually(async () => {
      const now = await program.ok('GET', `/certificates/${byProgram.id}`);
      expect(now.renewal).toMatchObject({ attempts: 0, detail: null });
      return now.replacedBy.length > 0 && now;
    });
    expect(await program.ok('GET', `/certificates/${heir.id}`)).toMatchObject({ owner: 'amy@example.com' });
  });

  it('the audit log keeps no plugin options that a client sends with a destination of a certificate', async () => {
    const { id } = await program.ok('POST', '/certificates', {
      owner: 'joe@example.com',
      commonName: 'b.example.com',
      authority: { name: 'root' },
    });
    await program.ok('PUT', `/certificates/${id}`, {
      destinations: [{ label: 'web', plugin: { pluginOptions: [{ name: 'secretAccessKey', value: 'Marker-9c1d' }] } }],
    });
    expect(JSON.stringify(await program.ok('GET', '/logs?count=200'))).not.toContain('Marker-9c1d');
  });
});
