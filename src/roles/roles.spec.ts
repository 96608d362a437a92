import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountEntities, type AccountsApp, PASSWORD, startAccounts } from '../../test/support/accounts-app.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/database.js';
import type { Tx } from '../platform/db/database.js';
import { UserRepository } from '../users/user.repository.js';
import { bootstrapAccounts } from './bootstrap.js';
import { RoleRepository } from './role.repository.js';

let accounts: AccountsApp;
let admin: string;
beforeAll(async () => {
  accounts = await startAccounts();
  admin = await accounts.signIn('admin');
});
afterAll(() => accounts.close());

const call = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object, token = admin) => accounts.call(method, path, { body, token });
const roleId = async (name: string): Promise<number> =>
  (await accounts.test.source.query<[{ id: number }]>('select id from role where name = $1', [name]))[0].id;
const lastEvent = async () => (await call('GET', '/logs?count=1')).body.items[0];

describe('the rights on accounts', () => {
  const routes = [
    ['GET', '/users'], ['POST', '/users'], ['PUT', '/users/1'], ['GET', '/roles'], ['GET', '/roles/1'], ['GET', '/roles/1/users'],
    ['POST', '/roles'], ['PUT', '/roles/1'], ['DELETE', '/roles/1'], ['GET', '/users/1'], ['GET', '/users/1/roles'], ['GET', '/roles/1/credentials'], ['GET', '/logs'],
  ] as const;
  const open = ['GET /users', 'GET /users/1', 'GET /users/1/roles', 'GET /roles', 'GET /roles/1/users'];
  const bodies: Record<string, object> = { 'POST /users': { username: 'x', email: 'x@example.com' }, 'POST /roles': { name: 'x' } };

  it.each([['nobody', undefined], ['ordinary', []], ['operator', ['operator']], ['read-only admin', ['admin', 'read-only']]] as const)(
    'are not those of %s', async (name, roles) => {
      const token = roles && await accounts.addUser(name, ...roles).then(() => accounts.signIn(name));
      for (const [method, path] of routes) {
        const route = `${method} ${path}`;
        const expected = !roles ? 401 : open.includes(route) || (route === 'GET /roles/1' && roles.some((r) => r === 'admin')) ? 200 : 403;
        expect((await accounts.call(method, path, { token, body: bodies[route] })).status, route).toBe(expected);
      }
    });

  it('let everyone see themselves and the roles they hold, not those of others', async () => {
    const id = await accounts.addUser('self', 'crew', 'read-only');
    const token = await accounts.signIn('self');
    const crew = await roleId('crew');
    expect((await call('GET', `/users/${id}`, undefined, token)).body).toMatchObject({ id, username: 'self', roles: expect.any(Array) });
    expect((await call('GET', `/users/${id}/roles`, undefined, token)).body).toMatchObject({ total: 2, items: expect.arrayContaining([{ id: crew, name: 'crew' }]) });
    expect((await call('GET', `/roles/${crew}`, undefined, token)).body).toMatchObject({ id: crew, name: 'crew' });
    expect((await call('GET', `/roles/${crew}/users`, undefined, token)).body).toMatchObject({ total: 1, items: [{ id, username: 'self' }] });
    expect((await call('GET', `/roles/${await roleId('operator')}`, undefined, token)).status).toBe(403);
  });

  it('show everyone what is needed to name an owner, and no more', async () => {
    const [id, gone] = [await accounts.addUser('looker'), await accounts.addUser('looked-at-gone', 'crew')];
    await accounts.test.source.query('update app_user set active = false where id = $1', [gone]);
    const token = await accounts.signIn('looker');
    const see = async (path: string) => (await call('GET', path, undefined, token)).body;
    expect(await see('/users/1')).toEqual({ id: 1, username: 'admin', email: 'admin@localhost' });
    expect((await see('/users?filter=username;look')).items).toEqual([{ id, username: 'looker', email: 'looker@example.com' }]);
    expect((await see(`/users?id=${id}`)).total).toBe(1);
    expect((await see('/users?owner=LOOKER@example.com')).items).toMatchObject([{ id }]);
    expect((await see('/users?filter=active;false')).total).toBe(0);
    expect((await see(`/roles/${await roleId('crew')}/users`)).items).toEqual([expect.not.objectContaining({ active: true })]);
    expect((await see(`/roles?owner=crew`)).items).toMatchObject([{ name: 'crew' }]);
    expect((await see(`/roles?id=${await roleId('crew')}`)).items).toMatchObject([{ name: 'crew' }]);
    expect((await call('GET', '/users?filter=username;looked-at-gone')).body.items).toMatchObject([{ id: gone, active: false }]);
  });

  it('check a body before the right to make something, and after it where something changes', async () => {
    await accounts.addUser('order');
    const token = await accounts.signIn('order');
    for (const path of ['/users', '/roles']) {
      expect((await call('POST', path, {}, token)).status).toBe(400);
      expect((await accounts.call('POST', path, { token })).status).toBe(400);
      expect((await accounts.call('POST', path, { body: {} })).status).toBe(401);
      expect((await call('PUT', `${path}/1`, { nonsense: 1 }, token)).status).toBe(403);
    }
  });

  it('do not matter where a method does not exist', async () => {
    for (const [method, path] of [['DELETE', '/users/1'], ['PUT', '/roles'], ['PUT', '/users'], ['POST', '/auth/me'], ['POST', '/keys/1'], ['POST', '/roles/1/credentials']] as const) {
      expect((await accounts.call(method, path, { token: undefined })).status, `${method} ${path}`).toBe(405);
      expect((await accounts.call(method, path, { token: 'nonsense' })).status, `${method} ${path}`).toBe(405);
    }
  });
});

describe('users', () => {
  it('are made, shown, changed, and can sign in', async () => {
    const made = await call('POST', '/users', { username: ' Mia ', email: 'Mia@Example.COM', password: PASSWORD, roles: [{ name: 'OPERATOR' }] });
    expect(made).toMatchObject({ status: 200, body: { username: 'Mia', email: 'mia@example.com', active: true, profilePicture: null, roles: [{ name: 'operator' }] } });
    expect(JSON.stringify(made.body)).not.toMatch(/argon|hash|epoch/i);
    await accounts.signIn('mia');
    const changed = await call('PUT', `/users/${made.body.id}`, { ...made.body, email: 'mia@example.org', roles: [] });
    expect(changed.body).toEqual({ ...made.body, email: 'mia@example.org', roles: [] });
    expect((await call('GET', `/users/${made.body.id}`)).body).toEqual(changed.body);
    expect(await lastEvent()).toMatchObject({
      logType: 'user.changed', targetType: 'user', targetId: String(made.body.id), user: { id: 1, username: 'admin' },
      before: { email: 'mia@example.com', roles: ['operator'] }, after: { email: 'mia@example.org', roles: [] } });
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
    expect((await call('GET', '/users?filter=username;x')).body.items.filter(({ username }: { username: string }) => username === 'x')).toEqual([]);
  });

  it('have unique names and addresses, whatever the case', async () => {
    await accounts.addUser('Nils');
    expect(await call('POST', '/users', { username: 'NILS', email: 'other@example.com' })).toMatchObject({ status: 409, body: { detail: expect.stringContaining('name') } });
    expect(await call('POST', '/users', { username: 'other', email: 'NILS@example.com' })).toMatchObject({ status: 409, body: { detail: expect.stringContaining('address') } });
  });

  it('lose their sessions with a new password, which is never stored as it is', async () => {
    const id = await accounts.addUser('olga');
    const token = await accounts.signIn('olga');
    expect((await call('PUT', `/users/${id}`, { password: 'weak' })).status).toBe(400);
    expect((await call('GET', '/auth/me', undefined, token)).status).toBe(200);
    expect((await call('PUT', `/users/${id}`, { password: 'Another-horse8?' })).status).toBe(200);
    expect((await call('GET', '/auth/me', undefined, token)).status).toBe(401);
    await accounts.signIn('olga', 'Another-horse8?');
    const everything = JSON.stringify(await accounts.test.source.query('select (select json_agg(u) from app_user u), (select json_agg(e) from audit_event e)'));
    expect(everything).not.toContain('Another-horse8?');
    expect((await call('GET', '/logs?filter=targetId;' + id)).body.items.find((e: { logType: string }) => e.logType === 'user.changed').after).toMatchObject({ newPassword: true });
  });

  it('lose their sessions for good when they are made inactive', async () => {
    const id = await accounts.addUser('paul');
    const token = await accounts.signIn('paul');
    await call('PUT', `/users/${id}`, { active: false });
    await call('PUT', `/users/${id}`, { active: true });
    expect((await call('GET', '/auth/me', undefined, token)).status).toBe(401);
  });

  it('keep at least one administrator', async () => {
    for (const changes of [{ roles: [] }, { active: false }, { roles: [{ name: 'admin' }, { name: 'read-only' }] }]) {
      expect((await call('PUT', '/users/1', changes)).status, JSON.stringify(changes)).toBe(409);
    }
    expect((await call('PUT', `/roles/${await roleId('admin')}`, { users: [] })).status).toBe(409);
    expect((await call('PUT', `/roles/${await roleId('read-only')}`, { users: [{ name: 'ADMIN' }, { name: 'read-only admin' }] })).status).toBe(409);
    expect((await call('GET', '/auth/me')).body.roles).toMatchObject([{ name: 'admin' }]);
  });

  it('keep at least one administrator when two are demoted at once', async () => {
    const second = await accounts.addUser('second', 'admin');
    const other = accounts.test.source.createQueryRunner();
    await other.startTransaction();
    await new RoleRepository().lockAdministration(other.manager as Tx);
    await other.query('delete from user_role where user_id = $1', [second]);
    const demotion = call('PUT', '/users/1', { roles: [] });
    const waits = async () => (await accounts.test.source.query(`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)).length > 0;
    const settled = demotion.then(() => true);
    while (!(await Promise.race([settled, waits()])));
    await other.commitTransaction();
    await other.release();
    expect((await demotion).status).toBe(409);
  });

  it('are listed in pages, sorted and filtered', async () => {
    for (const name of ['list-b', 'list-a', 'list-c', 'list%']) await accounts.addUser(name);
    const names = async (query: string) => (await call('GET', `/users?${query}`)).body.items.map(({ username }: { username: string }) => username);
    expect(await names('filter=username;LIST-&sortBy=username&sortDir=desc&count=2')).toEqual(['list-c', 'list-b']);
    expect(await names('filter=username;LIST-&sortBy=username&sortDir=desc&count=2&page=2')).toEqual(['list-a']);
    expect(await names('filter=username;t%')).toEqual(['list%']);
    expect((await call('GET', '/users?filter=username;list-&count=1')).body).toMatchObject({ total: 3 });
    for (const query of ['filter=password_hash;x', 'filter=__proto__;x', 'sortBy=passwordHash', 'count=0', 'filter=username']) {
      expect((await call('GET', `/users?${query}`)).status, query).toBe(400);
    }
    expect((await call('GET', `/users?filter=${encodeURIComponent("username;' or 1=1 --")}`)).body).toMatchObject({ total: 0, items: [] });
  });

  it('that do not exist are 404', async () => {
    for (const [method, path] of [['GET', '/users/999'], ['PUT', '/users/999'], ['GET', '/users/999/roles'], ['GET', '/roles/999'], ['PUT', '/roles/999'], ['DELETE', '/roles/999']] as const) {
      expect((await call(method, path, method === 'PUT' ? {} : undefined)).status, `${method} ${path}`).toBe(404);
    }
    expect((await call('DELETE', '/users/1')).status).toBe(405);
  });
});

describe('roles', () => {
  it('are made, changed and deleted, and nothing else goes with them', async () => {
    const user = await accounts.addUser('quin');
    const made = await call('POST', '/roles', { name: 'Team', description: 'Us', users: [{ id: user }, { name: 'QUIN' }] });
    expect(made).toMatchObject({ status: 200, body: { name: 'Team', description: 'Us', thirdParty: false } });
    expect((await call('GET', `/roles/${made.body.id}/users`)).body).toMatchObject({ total: 1, items: [{ id: user }] });
    const changed = await call('PUT', `/roles/${made.body.id}`, { ...made.body, name: 'team@example.com', users: [] });
    expect(changed.body).toEqual({ ...made.body, name: 'team@example.com' });
    expect(await lastEvent()).toMatchObject({ logType: 'role.changed', before: { name: 'Team', users: ['quin'] }, after: { name: 'team@example.com', users: [] } });
    expect(await call('DELETE', `/roles/${made.body.id}`)).toMatchObject({ status: 200, body: { message: 'ok' } });
    expect((await call('GET', `/users/${user}`)).status).toBe(200);
  });

  it.each(['admin', 'Operator', 'read-only', 'GLOBAL_CERT_ISSUER', 'creator', ' Creator '])('cannot be called %s', async (name) => {
    expect((await call('POST', '/roles', { name })).status).toBe(400);
    const { body } = await call('POST', '/roles', { name: `harmless ${name}` });
    expect((await call('PUT', `/roles/${body.id}`, { name })).status).toBe(400);
  });

  it('have unique names, whatever the case', async () => {
    await call('POST', '/roles', { name: 'Once' });
    expect((await call('POST', '/roles', { name: 'ONCE' })).status).toBe(409);
  });

  it('that are built in stay and keep their names', async () => {
    for (const name of ['admin', 'operator', 'read-only', 'global_cert_issuer']) {
      const id = await roleId(name);
      expect((await call('DELETE', `/roles/${id}`)).status).toBe(409);
      expect((await call('PUT', `/roles/${id}`, { name: 'other' })).status).toBe(409);
      expect((await call('PUT', `/roles/${id}`, { name, description: 'Ours' })).status).toBe(200);
    }
  });

  it('keep credentials for their holders, sealed and on record', async () => {
    const secret = 'Elsewhere-4711!';
    await accounts.addUser('keeper', 'vault keepers');
    await accounts.addUser('keeper-ro', 'vault keepers', 'read-only');
    await accounts.addUser('stranger');
    const id = await roleId('vault keepers');
    const changed = await call('PUT', `/roles/${id}`, { username: 'svc', password: secret });
    expect(changed.status).toBe(200);
    const asked = async (name: string) => accounts.call('GET', `/roles/${id}/credentials`, { token: await accounts.signIn(name) });
    const answer = await asked('keeper');
    expect(answer).toMatchObject({ status: 200, body: { username: 'svc', password: secret }, headers: { 'cache-control': 'no-store' } });
    expect(await lastEvent()).toMatchObject({ logType: 'credentials.viewed', targetType: 'role', targetId: String(id), user: { username: 'keeper' } });
    expect([(await asked('admin')).status, (await asked('keeper-ro')).status, (await asked('stranger')).status]).toEqual([200, 403, 403]);
    const everything = JSON.stringify([await accounts.test.source.query('select (select json_agg(e) from audit_event e), (select json_agg(r) from role r)'),
      changed.body, (await call('GET', `/roles?count=200`)).body, (await call('GET', `/roles/${id}`)).body]);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain(Buffer.from(secret).toString('hex'));
    for (const by of ['filter=password;x', 'sortBy=sealedPassword', 'filter=sealed_password;x', 'filter=username;svc']) expect((await call('GET', `/roles?${by}`)).status, by).toBe(400);
    await call('PUT', `/roles/${id}`, { password: null });
    expect((await asked('keeper')).body).toEqual({ username: 'svc', password: null });
    const made = await call('POST', '/roles', { name: 'made with', username: 'x', password: 'y' });
    expect((await call('GET', `/roles/${made.body.id}/credentials`)).body).toEqual({ username: 'x', password: 'y' });
  });

  it('of third parties keep their names and holders, and go when nobody holds them', async () => {
    const user = await accounts.addUser('directed', 'from-directory');
    const id = await roleId('from-directory');
    await accounts.test.source.query('update role set third_party = true where id = $1', [id]);
    expect((await call('PUT', `/roles/${id}`, { name: 'mine' })).status).toBe(409);
    expect((await call('PUT', `/roles/${id}`, { users: [] })).status).toBe(409);
    expect((await call('DELETE', `/roles/${id}`)).status).toBe(409);
    expect((await call('PUT', `/roles/${id}`, { name: 'from-directory', description: 'Theirs', permissions: ['key:read'], users: [{ id: user }] })).body).toMatchObject({ thirdParty: true, permissions: ['key:read'] });
    await accounts.test.source.query('delete from user_role where role_id = $1', [id]);
    expect((await call('DELETE', `/roles/${id}`)).status).toBe(200);
  });

  it('are not changed by a member who is no administrator', async () => {
    await accounts.addUser('member', 'members');
    const [id, token] = [await roleId('members'), await accounts.signIn('member')];
    expect((await call('PUT', `/roles/${id}`, { users: [] }, token)).status).toBe(403);
    expect((await call('PUT', `/roles/${id}`, { permissions: ['key:read'] }, token)).status).toBe(403);
    expect((await call('DELETE', `/roles/${id}`, undefined, token)).status).toBe(403);
  });

  it('refuse unknown users', async () => {
    expect(await call('POST', '/roles', { name: 'ghosts', users: [{ id: 1 }, { name: 'ghost' }] })).toMatchObject({ status: 400, body: { reasons: { 'users.1': [expect.any(String)] } } });
    expect((await call('GET', '/roles?filter=name;ghosts')).body.total).toBe(0);
  });

  it('are found by what they are called', async () => {
    const roles = new RoleRepository();
    const { db } = accounts.test;
    const [operator] = await roles.locate(db.single, 'roles', [{ name: 'Operator' }, { label: 'OPERATOR' }]);
    expect(operator?.name).toBe('operator');
    expect(await roles.locate(db.single, 'roles', [{ id: operator?.id, name: 'admin' }])).toEqual([operator]);
    await expect(roles.locate(db.single, 'roles', [{ id: 999, name: 'admin' }])).rejects.toMatchObject({ code: 'invalid-request' });
  });
});

describe('RoleRepository.ensure', () => {
  const roles = new RoleRepository();

  it('makes what is missing and finds the rest, whatever the case', async () => {
    const { db } = accounts.test;
    const made = await db.write((tx) => roles.ensure(tx, ['New@example.com', 'other@example.com', 'NEW@example.com']));
    expect(made.map(({ name }) => name).sort()).toEqual(['New@example.com', 'other@example.com']);
    const found = await db.write((tx) => roles.ensure(tx, ['new@EXAMPLE.com']));
    expect(found).toEqual(made.filter(({ name }) => name === 'New@example.com'));
    expect(await roles.ensure(db.single, [])).toEqual([]);
  });

  it('refuses reserved names', async () => {
    for (const name of ['admin', 'Creator', 'READ-ONLY']) {
      await expect(accounts.test.db.write((tx) => roles.ensure(tx, ['a@example.com', name])), name).rejects.toMatchObject({ code: 'invalid-request' });
    }
  });

  it('is safe among many at once, in any order', async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `many${i}@example.com`);
    const results = await Promise.all(Array.from({ length: 6 }, (_, i) =>
      // Without the retry of Database, so that a deadlock shows.
      accounts.test.source.transaction((tx) => roles.ensure(tx as Tx, i % 2 ? names : names.toReversed()))));
    const ids = results.map((found) => found.map(({ id }) => id).sort((a, b) => a - b).join());
    expect(new Set(ids).size).toBe(1);
    expect(results[0]).toHaveLength(5000);
  });
});

describe('bootstrapAccounts', () => {
  let fresh: TestDatabase;
  beforeAll(async () => { fresh = await createTestDatabase(accountEntities); });
  afterAll(() => fresh.drop());
  const names = async () => (await fresh.source.query<{ name: string }[]>('select name from role order by name')).map(({ name }) => name);

  it('refuses a weak password, and leaves nothing behind', async () => {
    await expect(bootstrapAccounts(fresh.db, 'admin')).rejects.toThrow('ADMIN_PASSWORD must have at least 12 characters');
    expect(await names()).toEqual([]);
  });

  it('makes the roles and one admin when several start at once, and tells one password once', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => bootstrapAccounts(fresh.db)));
    const passwords = results.map(({ generatedPassword }) => generatedPassword).filter((password) => password !== null);
    expect(passwords).toHaveLength(1);
    expect(passwords[0], 'can be pasted into a shell as it is').toMatch(/^[A-Za-z0-9@]{24}$/);
    expect(await names()).toEqual(['admin', 'auditor', 'global_cert_issuer', 'operator', 'read-only']);
    const user = await new UserRepository().findForSignIn(fresh.db.single, 'ADMIN@localhost');
    expect(user).toMatchObject({ username: 'admin', email: 'admin@localhost', active: true });
    expect(await fresh.source.query('select name from user_role join role on role.id = role_id')).toEqual([{ name: 'admin' }]);
  });

  it('makes one admin when several start at once and only the users are missing', async () => {
    await fresh.source.query('delete from app_user');
    const results = await Promise.all(Array.from({ length: 4 }, () => bootstrapAccounts(fresh.db)));
    expect(results.filter(({ generatedPassword }) => generatedPassword !== null)).toHaveLength(1);
    expect(await fresh.source.query('select username from app_user')).toEqual([{ username: 'admin' }]);
  });

  it('changes nothing later, even when the first user has another name by then', async () => {
    await fresh.source.query(`update app_user set username = 'root'`);
    const before = await fresh.source.query('select * from app_user');
    expect(await bootstrapAccounts(fresh.db, PASSWORD)).toEqual({ madeAdmin: false, generatedPassword: null });
    expect(await fresh.source.query('select * from app_user')).toEqual(before);
  });

  it('makes no built-in role of one that a provider keeps under its name', async () => {
    await fresh.source.query(`update role set name = 'Auditor', third_party = true where name = 'auditor'`);
    await fresh.source.query(`insert into user_role select u.id, r.id from app_user u, role r where r.name = 'Auditor'`);
    await bootstrapAccounts(fresh.db);
    const [held] = await fresh.source.query(`select name from role join user_role on role_id = id where third_party`);
    expect(held.name).toMatch(/^Auditor \(\d+\)$/);
    expect(await fresh.source.query(`select third_party, (select count(*)::int from user_role where role_id = id) as holders from role where name = 'auditor'`))
      .toEqual([{ third_party: false, holders: 0 }]);
    expect(await fresh.source.query(`select actor_name, before from audit_event where action = 'role.changed'`)).toEqual([{ actor_name: 'system', before: { name: 'Auditor' } }]);
  });
});

describe('the log', () => {
  it('is read newest first, in pages that do not shift', async () => {
    for (let i = 0; i < 5; i++) await call('POST', '/roles', { name: `logged ${i}` });
    const first = (await call('GET', '/logs?filter=logType;role.created&count=2')).body;
    expect(first.items.map(({ after }: { after: { name: string } }) => after.name)).toEqual(['logged 4', 'logged 3']);
    expect(first.total).toBeGreaterThanOrEqual(5);
    await call('POST', '/roles', { name: 'logged later' });
    const second = (await call('GET', `/logs?filter=logType;role.created&count=2&after=${first.next}`)).body;
    expect(second.items.map(({ after }: { after: { name: string } }) => after.name)).toEqual(['logged 2', 'logged 1']);
    expect(first.items[0]).toMatchObject({
      logType: 'role.created', loggedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/), user: { id: 1, username: 'admin' },
      targetType: 'role', address: '127.0.0.1', before: null, seq: null, hash: null });
  });

  it('refuses other filters', async () => {
    for (const filter of ['before;x', '__proto__;x', 'constructor;x']) expect((await call('GET', `/logs?filter=${filter}`)).status).toBe(400);
  });
});

describe('the schema', () => {
  it('is what the entities say', async () => {
    const { upQueries } = await accounts.test.source.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });
});
