import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccountsApp, startAccounts } from '../../test/support/accounts-app.js';

describe('strict mode', () => {
  let accounts: AccountsApp;
  let admin: string;
  beforeAll(async () => {
    accounts = await startAccounts([], { STRICT_ROLES: 'true' });
    admin = await accounts.signIn('admin');
  });
  afterAll(() => accounts.close());
  const post = (body: object) =>
    accounts.call('POST', '/users', { token: admin, body: { username: 'new', email: 'new@example.com', ...body } });

  it('requires every user to hold admin, operator or read-only', async () => {
    await accounts.addUser('crewed', 'crew');
    for (const roles of [undefined, [], [{ name: 'crew' }], [{ name: 'global_cert_issuer' }]]) {
      expect(await post({ roles })).toMatchObject({
        status: 400,
        body: { reasons: { roles: ['Must include one of admin, operator, read-only'] } },
      });
    }
    const made = await post({ roles: [{ name: 'crew' }, { name: 'Operator' }] });
    expect(made.status).toBe(200);
    const put = (body: object) => accounts.call('PUT', `/users/${made.body.id}`, { token: admin, body });
    expect((await put({ roles: [{ name: 'crew' }] })).status).toBe(400);
    expect((await put({ email: 'newer@example.com' })).status).toBe(200);
    expect((await put({ roles: [{ name: 'read-only' }] })).status).toBe(200);
  });

  it('lets an ordinary user change only their own account', async () => {
    await accounts.addUser('plain', 'web@example.com');
    const token = await accounts.signIn('plain');
    expect((await accounts.call('POST', '/keys', { token, body: { name: 'mine', ttl: 1 } })).status).toBe(200);
    expect((await accounts.call('GET', '/roles', { token })).status).toBe(200);
  });
});

describe('DEFAULT_ROLE', () => {
  it('is assigned to a new user without roles', async () => {
    const accounts = await startAccounts([], { DEFAULT_ROLE: 'read-only', STRICT_ROLES: 'true' });
    const token = await accounts.signIn('admin');
    const make = async (name: string, roles?: object[]) =>
      (await accounts.call('POST', '/users', { token, body: { username: name, email: `${name}@example.com`, roles } }))
        .body.roles;
    expect(await make('one')).toMatchObject([{ name: 'read-only' }]);
    expect(await make('two', [{ name: 'operator' }])).toMatchObject([{ name: 'operator' }]);
    await accounts.close();
  });

  it('cannot be admin', async () => {
    await expect(startAccounts([], { DEFAULT_ROLE: 'Admin' })).rejects.toThrow('DEFAULT_ROLE');
  });
});
