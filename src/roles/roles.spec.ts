import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Administration, startAdministration } from '../../test/support/administration.js';

let accounts: Administration['accounts'];
let call: Administration['call'];
let roleId: Administration['roleId'];
let lastEvent: Administration['lastEvent'];
beforeAll(async () => {
  ({ accounts, call, roleId, lastEvent } = await startAdministration());
});
afterAll(() => accounts.close());

describe('roles', () => {
  it('can be created, changed and deleted without deleting anything else', async () => {
    const user = await accounts.addUser('quin');
    const made = await call('POST', '/roles', {
      name: 'Team',
      description: 'Us',
      users: [{ id: user }, { name: 'QUIN' }],
    });
    expect(made).toMatchObject({ status: 200, body: { name: 'Team', description: 'Us', thirdParty: false } });
    expect((await call('GET', `/roles/${made.body.id}/users`)).body).toMatchObject({ total: 1, items: [{ id: user }] });
    const changed = await call('PUT', `/roles/${made.body.id}`, { ...made.body, name: 'team@example.com', users: [] });
    expect(changed.body).toEqual({ ...made.body, name: 'team@example.com', users: [] });
    expect(await lastEvent()).toMatchObject({
      logType: 'role.changed',
      before: { name: 'Team', users: ['quin'] },
      after: { name: 'team@example.com', users: [] },
    });
    expect(await call('DELETE', `/roles/${made.body.id}`)).toMatchObject({ status: 200, body: { message: 'ok' } });
    expect((await call('GET', `/users/${user}`)).status).toBe(200);
  });

  it.each(['admin', 'Operator', 'read-only', 'GLOBAL_CERT_ISSUER', 'creator', ' Creator '])(
    'cannot be called %s',
    async (name) => {
      expect((await call('POST', '/roles', { name })).status).toBe(400);
      const { body } = await call('POST', '/roles', { name: `harmless ${name}` });
      expect((await call('PUT', `/roles/${body.id}`, { name })).status).toBe(400);
    },
  );

  it('have unique names, ignoring case', async () => {
    await call('POST', '/roles', { name: 'Once' });
    expect((await call('POST', '/roles', { name: 'ONCE' })).status).toBe(409);
  });

  it('that are built in can be neither deleted nor renamed', async () => {
    for (const name of ['admin', 'operator', 'read-only', 'global_cert_issuer']) {
      const id = await roleId(name);
      expect((await call('DELETE', `/roles/${id}`)).status).toBe(409);
      expect((await call('PUT', `/roles/${id}`, { name: 'other' })).status).toBe(409);
      expect((await call('PUT', `/roles/${id}`, { name, description: 'Ours' })).status).toBe(200);
    }
  });

  it('store credentials sealed, show them to holders, and record every read', async () => {
    const secret = 'Elsewhere-4711!';
    await accounts.addUser('keeper', 'vault keepers');
    await accounts.addUser('keeper-ro', 'vault keepers', 'read-only');
    await accounts.addUser('stranger');
    const id = await roleId('vault keepers');
    const changed = await call('PUT', `/roles/${id}`, { username: 'svc', password: secret });
    expect(changed.status).toBe(200);
    const asked = async (name: string) =>
      accounts.call('GET', `/roles/${id}/credentials`, { token: await accounts.signIn(name) });
    const answer = await asked('keeper');
    expect(answer).toMatchObject({
      status: 200,
      body: { username: 'svc', password: secret },
      headers: { 'cache-control': 'no-store' },
    });
    expect(await lastEvent()).toMatchObject({
      logType: 'credentials.viewed',
      targetType: 'role',
      targetId: String(id),
      user: { username: 'keeper' },
    });
    expect([
      (await asked('admin')).status,
      (await asked('keeper-ro')).status,
      (await asked('stranger')).status,
    ]).toEqual([200, 403, 403]);
    const everything = JSON.stringify([
      await accounts.test.source.query(
        'select (select json_agg(e) from audit_event e), (select json_agg(r) from role r)',
      ),
      changed.body,
      (await call('GET', `/roles?count=200`)).body,
      (await call('GET', `/roles/${id}`)).body,
    ]);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain(Buffer.from(secret).toString('hex'));
    for (const by of ['filter=password;x', 'sortBy=sealedPassword', 'filter=sealed_password;x', 'filter=username;svc'])
      expect((await call('GET', `/roles?${by}`)).status, by).toBe(400);
    await call('PUT', `/roles/${id}`, { password: null });
    expect((await asked('keeper')).body).toEqual({ username: 'svc', password: null });
    const made = await call('POST', '/roles', { name: 'made with', username: 'x', password: 'y' });
    expect((await call('GET', `/roles/${made.body.id}/credentials`)).body).toEqual({ username: 'x', password: 'y' });
  });

  it('of third parties keep their names and holders, and can be deleted once they have no holders', async () => {
    const user = await accounts.addUser('directed', 'from-directory');
    const id = await roleId('from-directory');
    await accounts.test.source.query('update role set third_party = true where id = $1', [id]);
    expect((await call('PUT', `/roles/${id}`, { name: 'mine' })).status).toBe(409);
    expect((await call('PUT', `/roles/${id}`, { users: [] })).status).toBe(409);
    expect((await call('DELETE', `/roles/${id}`)).status).toBe(409);
    expect(
      (
        await call('PUT', `/roles/${id}`, {
          name: 'from-directory',
          description: 'Theirs',
          permissions: ['key:read'],
          users: [{ id: user }],
        })
      ).body,
    ).toMatchObject({ thirdParty: true, permissions: ['key:read'] });
    await accounts.test.source.query('delete from user_role where role_id = $1', [id]);
    expect((await call('DELETE', `/roles/${id}`)).status).toBe(200);
  });

  it('cannot be changed by a holder who is not an administrator', async () => {
    await accounts.addUser('member', 'members');
    const [id, token] = [await roleId('members'), await accounts.signIn('member')];
    expect((await call('PUT', `/roles/${id}`, { users: [] }, token)).status).toBe(403);
    expect((await call('PUT', `/roles/${id}`, { permissions: ['key:read'] }, token)).status).toBe(403);
    expect((await call('DELETE', `/roles/${id}`, undefined, token)).status).toBe(403);
  });

  it('refuse unknown users', async () => {
    expect(await call('POST', '/roles', { name: 'ghosts', users: [{ id: 1 }, { name: 'ghost' }] })).toMatchObject({
      status: 400,
      body: { reasons: { 'users.1': [expect.any(String)] } },
    });
    expect((await call('GET', '/roles?filter=name;ghosts')).body.total).toBe(0);
  });
});

describe('the log', () => {
  it('is listed newest first, in pages that do not shift when entries are added', async () => {
    for (let i = 0; i < 5; i++) await call('POST', '/roles', { name: `logged ${i}` });
    const first = (await call('GET', '/logs?filter=logType;role.created&count=2')).body;
    expect(first.items.map(({ after }: { after: { name: string } }) => after.name)).toEqual(['logged 4', 'logged 3']);
    expect(first.total).toBeGreaterThanOrEqual(5);
    await call('POST', '/roles', { name: 'logged later' });
    const second = (await call('GET', `/logs?filter=logType;role.created&count=2&after=${first.next}`)).body;
    expect(second.items.map(({ after }: { after: { name: string } }) => after.name)).toEqual(['logged 2', 'logged 1']);
    expect(first.items[0]).toMatchObject({
      logType: 'role.created',
      loggedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
      user: { id: 1, username: 'admin' },
      targetType: 'role',
      address: '127.0.0.1',
      before: null,
      seq: null,
      hash: null,
    });
  });

  it('refuses other filters', async () => {
    for (const filter of ['before;x', '__proto__;x', 'constructor;x'])
      expect((await call('GET', `/logs?filter=${filter}`)).status).toBe(400);
  });
});

describe('the schema', () => {
  it('matches the entities', async () => {
    const { upQueries } = await accounts.test.source.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });
});
