import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD } from '../../test/support/accounts-app.js';
import { type Administration, startAdministration } from '../../test/support/administration.js';
import type { Tx } from '../platform/db/database.js';
import { RoleRepository } from './role.repository.js';

let accounts: Administration['accounts'];
let call: Administration['call'];
let roleId: Administration['roleId'];
let lastEvent: Administration['lastEvent'];
beforeAll(async () => {
  ({ accounts, call, roleId, lastEvent } = await startAdministration());
});
afterAll(() => accounts.close());

describe('the rights on accounts', () => {
  const routes = [
    ['GET', '/users'],
    ['POST', '/users'],
    ['PUT', '/users/1'],
    ['GET', '/roles'],
    ['GET', '/roles/1'],
    ['GET', '/roles/1/users'],
    ['POST', '/roles'],
    ['PUT', '/roles/1'],
    ['DELETE', '/roles/1'],
    ['GET', '/users/1'],
    ['GET', '/users/1/roles'],
    ['GET', '/roles/1/credentials'],
    ['GET', '/logs'],
  ] as const;
  const open = ['GET /users', 'GET /users/1', 'GET /users/1/roles', 'GET /roles', 'GET /roles/1/users'];
  const bodies: Record<string, object> = {
    'POST /users': { username: 'x', email: 'x@example.com' },
    'POST /roles': { name: 'x' },
  };

  it.each([
    ['nobody', undefined],
    ['ordinary', []],
    ['operator', ['operator']],
    ['read-only admin', ['admin', 'read-only']],
  ] as const)('are not those of %s', async (name, roles) => {
    const token = roles && (await accounts.addUser(name, ...roles).then(() => accounts.signIn(name)));
    for (const [method, path] of routes) {
      const route = `${method} ${path}`;
      const expected = !roles
        ? 401
        : open.includes(route) || (route === 'GET /roles/1' && roles.some((r) => r === 'admin'))
          ? 200
          : 403;
      expect((await accounts.call(method, path, { token, body: bodies[route] })).status, route).toBe(expected);
    }
  });

  it('let every user see themselves and their roles, but not the roles of others', async () => {
    const id = await accounts.addUser('self', 'crew', 'read-only');
    const token = await accounts.signIn('self');
    const crew = await roleId('crew');
    expect((await call('GET', `/users/${id}`, undefined, token)).body).toMatchObject({
      id,
      username: 'self',
      roles: expect.any(Array),
    });
    expect((await call('GET', `/users/${id}/roles`, undefined, token)).body).toMatchObject({
      total: 2,
      items: expect.arrayContaining([{ id: crew, name: 'crew' }]),
    });
    expect((await call('GET', `/roles/${crew}`, undefined, token)).body).toMatchObject({ id: crew, name: 'crew' });
    expect((await call('GET', `/roles/${crew}/users`, undefined, token)).body).toMatchObject({
      total: 1,
      items: [{ id, username: 'self' }],
    });
    expect((await call('GET', `/roles/${await roleId('operator')}`, undefined, token)).status).toBe(403);
  });

  it('show every user the names and addresses of others, and nothing more', async () => {
    const [id, gone] = [await accounts.addUser('looker'), await accounts.addUser('looked-at-gone', 'crew')];
    await accounts.test.source.query('update app_user set active = false where id = $1', [gone]);
    const token = await accounts.signIn('looker');
    const see = async (path: string) => (await call('GET', path, undefined, token)).body;
    expect(await see('/users/1')).toEqual({ id: 1, username: 'admin', email: 'admin@localhost' });
    expect((await see('/users?filter=username;look')).items).toEqual([
      { id, username: 'looker', email: 'looker@example.com' },
    ]);
    expect((await see(`/users?id=${id}`)).total).toBe(1);
    expect((await see('/users?owner=LOOKER@example.com')).items).toMatchObject([{ id }]);
    expect((await see('/users?filter=active;false')).total).toBe(0);
    expect((await see(`/roles/${await roleId('crew')}/users`)).items).toEqual([
      expect.not.objectContaining({ active: true }),
    ]);
    expect((await see(`/roles?owner=crew`)).items).toMatchObject([{ name: 'crew' }]);
    expect((await see(`/roles?id=${await roleId('crew')}`)).items).toMatchObject([{ name: 'crew' }]);
    expect((await call('GET', '/users?filter=username;looked-at-gone')).body.items).toMatchObject([
      { id: gone, active: false },
    ]);
  });

  it('are checked after the body when something is created, and before it when something changes', async () => {
    await accounts.addUser('order');
    const token = await accounts.signIn('order');
    for (const path of ['/users', '/roles']) {
      expect((await call('POST', path, {}, token)).status).toBe(400);
      expect((await accounts.call('POST', path, { token })).status).toBe(400);
      expect((await accounts.call('POST', path, { body: {} })).status).toBe(401);
      expect((await call('PUT', `${path}/1`, { nonsense: 1 }, token)).status).toBe(403);
    }
  });

  it('are not checked for a method that does not exist', async () => {
    for (const [method, path] of [
      ['DELETE', '/users/1'],
      ['PUT', '/roles'],
      ['PUT', '/users'],
      ['POST', '/auth/me'],
      ['POST', '/keys/1'],
      ['POST', '/roles/1/credentials'],
    ] as const) {
      expect((await accounts.call(method, path, { token: undefined })).status, `${method} ${path}`).toBe(405);
      expect((await accounts.call(method, path, { token: 'nonsense' })).status, `${method} ${path}`).toBe(405);
    }
  });
});

describe('users', () => {
  it('can be created, read and changed, and can sign in', async () => {
    const made = await call('POST', '/users', {
      username: ' Mia ',
      email: 'Mia@Example.COM',
      password: PASSWORD,
      roles: [{ name: 'OPERATOR' }],
    });
    expect(made).toMatchObject({
      status: 200,
      body: {
        username: 'Mia',
        email: 'mia@example.com',
        active: true,
        profilePicture: null,
        roles: [{ name: 'operator' }],
      },
    });
    expect(JSON.stringify(made.body)).not.toMatch(/argon|hash|epoch/i);
    await accounts.signIn('mia');
    const changed = await call('PUT', `/users/${made.body.id}`, { ...made.body, email: 'mia@example.org', roles: [] });
    expect(changed.body).toEqual({ ...made.body, email: 'mia@example.org', roles: [] });
    expect((await call('GET', `/users/${made.body.id}`)).body).toEqual(changed.body);
    expect(await lastEvent()).toMatchObject({
      logType: 'user.changed',
      targetType: 'user',
      targetId: String(made.body.id),
      user: { id: 1, username: 'admin' },
      before: { email: 'mia@example.com', roles: ['operator'] },
      after: { email: 'mia@example.org', roles: [] },
    });
  });

  it.each([
    [{ username: 'x', email: 'x@example.com', password: 'weak' }, 'password'],
    [{ username: 'x', email: 'nonsense' }, 'email'],
    [{ username: '', email: 'x@example.com' }, 'username'],
    [{ username: 'a\nb', email: 'x@example.com' }, 'username'],
    [{ username: 'x' }, 'email'],
    [{ username: 'x', email: 'x@example.com', roles: [{ name: 'admin' }, { name: 'no such' }] }, 'roles.1'],
    [{ username: 'x', email: 'x@example.com', admin: true }, 'admin'],
  ])('are refused: %j', async (body, field) => {
    const answer = await call('POST', '/users', body);
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body.reasons)).toContain(field);
    expect(
      (await call('GET', '/users?filter=username;x')).body.items.filter(
        ({ username }: { username: string }) => username === 'x',
      ),
    ).toEqual([]);
  });

  it('have unique names and addresses, ignoring case', async () => {
    await accounts.addUser('Nils');
    expect(await call('POST', '/users', { username: 'NILS', email: 'other@example.com' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('name') },
    });
    expect(await call('POST', '/users', { username: 'other', email: 'NILS@example.com' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('address') },
    });
  });

  it('lose their sessions when the password changes, and only its hash is stored', async () => {
    const id = await accounts.addUser('olga');
    const token = await accounts.signIn('olga');
    expect((await call('PUT', `/users/${id}`, { password: 'weak' })).status).toBe(400);
    expect((await call('GET', '/auth/me', undefined, token)).status).toBe(200);
    expect((await call('PUT', `/users/${id}`, { password: 'Another-horse8?' })).status).toBe(200);
    expect((await call('GET', '/auth/me', undefined, token)).status).toBe(401);
    await accounts.signIn('olga', 'Another-horse8?');
    const everything = JSON.stringify(
      await accounts.test.source.query(
        'select (select json_agg(u) from app_user u), (select json_agg(e) from audit_event e)',
      ),
    );
    expect(everything).not.toContain('Another-horse8?');
    expect(
      (await call('GET', '/logs?filter=targetId;' + id)).body.items.find(
        (e: { logType: string }) => e.logType === 'user.changed',
      ).after,
    ).toMatchObject({ newPassword: true });
  });

  it('lose their sessions when they are deactivated, and do not regain them when reactivated', async () => {
    const id = await accounts.addUser('paul');
    const token = await accounts.signIn('paul');
    await call('PUT', `/users/${id}`, { active: false });
    await call('PUT', `/users/${id}`, { active: true });
    expect((await call('GET', '/auth/me', undefined, token)).status).toBe(401);
  });

  it('always include at least one administrator', async () => {
    for (const changes of [{ roles: [] }, { active: false }, { roles: [{ name: 'admin' }, { name: 'read-only' }] }]) {
      expect((await call('PUT', '/users/1', changes)).status, JSON.stringify(changes)).toBe(409);
    }
    expect((await call('PUT', `/roles/${await roleId('admin')}`, { users: [] })).status).toBe(409);
    expect(
      (
        await call('PUT', `/roles/${await roleId('read-only')}`, {
          users: [{ name: 'ADMIN' }, { name: 'read-only admin' }],
        })
      ).status,
    ).toBe(409);
    expect((await call('GET', '/auth/me')).body.roles).toMatchObject([{ name: 'admin' }]);
  });

  it('always include at least one administrator, even when two are demoted at once', async () => {
    const second = await accounts.addUser('second', 'admin');
    const other = accounts.test.source.createQueryRunner();
    await other.startTransaction();
    await new RoleRepository().lockAdministration(other.manager as Tx);
    await other.query('delete from user_role where user_id = $1', [second]);
    const demotion = call('PUT', '/users/1', { roles: [] });
    const waits = async () =>
      (
        await accounts.test.source.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
      ).length > 0;
    const settled = demotion.then(() => true);
    while (!(await Promise.race([settled, waits()])));
    await other.commitTransaction();
    await other.release();
    expect((await demotion).status).toBe(409);
  });

  it('are listed in pages, sorted and filtered', async () => {
    for (const name of ['list-b', 'list-a', 'list-c', 'list%']) await accounts.addUser(name);
    const names = async (query: string) =>
      (await call('GET', `/users?${query}`)).body.items.map(({ username }: { username: string }) => username);
    expect(await names('filter=username;LIST-&sortBy=username&sortDir=desc&count=2')).toEqual(['list-c', 'list-b']);
    expect(await names('filter=username;LIST-&sortBy=username&sortDir=desc&count=2&page=2')).toEqual(['list-a']);
    expect(await names('filter=username;t%')).toEqual(['list%']);
    expect((await call('GET', '/users?filter=username;list-&count=1')).body).toMatchObject({ total: 3 });
    for (const query of [
      'filter=password_hash;x',
      'filter=__proto__;x',
      'sortBy=passwordHash',
      'count=0',
      'filter=username',
    ]) {
      expect((await call('GET', `/users?${query}`)).status, query).toBe(400);
    }
    expect((await call('GET', `/users?filter=${encodeURIComponent("username;' or 1=1 --")}`)).body).toMatchObject({
      total: 0,
      items: [],
    });
  });

  it('that do not exist are answered with 404', async () => {
    for (const [method, path] of [
      ['GET', '/users/999'],
      ['PUT', '/users/999'],
      ['GET', '/users/999/roles'],
      ['GET', '/roles/999'],
      ['PUT', '/roles/999'],
      ['DELETE', '/roles/999'],
    ] as const) {
      expect((await call(method, path, method === 'PUT' ? {} : undefined)).status, `${method} ${path}`).toBe(404);
    }
    expect((await call('DELETE', '/users/1')).status).toBe(405);
  });
});
