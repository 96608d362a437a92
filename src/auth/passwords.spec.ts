import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccountsApp, PASSWORD, startAccounts } from '../../test/support/accounts-app.js';

// Made by crypt(3) of libxcrypt; the password is PASSWORD.
const ofLemur = '$2y$10$abcdefghijklmnopqrstuO8aEQ0TrdqP1RSo8739Xtowtley9cfHq';
const better = 'Another-horse8?';
let accounts: AccountsApp;
beforeAll(async () => {
  accounts = await startAccounts();
});
afterAll(() => accounts.close());

const login = async (username: string, password: string, address?: string): Promise<number> =>
  (await accounts.call('POST', '/auth/login', { body: { username, password }, address })).status;
const hashOf = async (id: number): Promise<string> =>
  (
    await accounts.test.source.query<[{ hash: string }]>('select password_hash as hash from app_user where id = $1', [
      id,
    ])
  )[0].hash;
const setHash = (id: number, hash: string): Promise<unknown> =>
  accounts.test.source.query('update app_user set password_hash = $2 where id = $1', [id, hash]);
const change = (token: string, body: object, address?: string) =>
  accounts.call('POST', '/auth/password', { token, body, address });

describe('a password of Lemur', () => {
  it('stays valid, and its hash is replaced at the next sign-in and not before', async () => {
    const id = await accounts.addUser('lemur');
    await setHash(id, ofLemur);
    expect([await login('lemur', 'wrong'), await hashOf(id)]).toEqual([401, ofLemur]);
    expect([await login('nobody', PASSWORD), await login('admin', PASSWORD)]).toEqual([401, 200]);
    const token = await accounts.signIn('lemur');
    expect(await hashOf(id)).toMatch(/^\$argon2id\$/);
    expect([await login('lemur', PASSWORD), await login('lemur', 'wrong')]).toEqual([200, 401]);
    expect((await accounts.call('GET', '/auth/me', { token })).status).toBe(200);
  });

  it('is refused for an inactive user, and a malformed hash matches nothing', async () => {
    const id = await accounts.addUser('odd');
    await accounts.test.source.query('update app_user set active = false where id = $1', [id]);
    await setHash(id, ofLemur);
    expect(await login('odd', PASSWORD)).toBe(401);
    await accounts.test.source.query('update app_user set active = true where id = $1', [id]);
    await setHash(id, PASSWORD);
    expect(await login('odd', PASSWORD)).toBe(401);
  });
});

describe('changing one’s own password', () => {
  it('requires the old password, ends all sessions and opens a new one', async () => {
    const id = await accounts.addUser('own', 'read-only');
    const [one, two] = [await accounts.signIn('own'), await accounts.signIn('own')];
    const { status, body } = await change(one, { oldPassword: PASSWORD, newPassword: better });
    expect(status).toBe(200);
    const me = async (token: string): Promise<number> => (await accounts.call('GET', '/auth/me', { token })).status;
    expect([await me(one), await me(two), await me(body.token)]).toEqual([401, 401, 200]);
    expect([await login('own', PASSWORD), await login('own', better)]).toEqual([401, 200]);
    const [event] = await accounts.test.source.query<{ after: object }[]>(
      `select actor_user_id, after from audit_event where action = 'user.changed' and target_id = $1`,
      [String(id)],
    );
    expect(event).toMatchObject({ actor_user_id: id, after: { newPassword: true } });
    expect(JSON.stringify(await accounts.test.source.query('select * from audit_event'))).not.toContain(better);
  });

  it.each([
    [{ oldPassword: 'wrong', newPassword: better }, 'oldPassword', 'is wrong'],
    [{ oldPassword: PASSWORD, newPassword: 'short1!A' }, 'newPassword', '12 characters'],
    [{ oldPassword: PASSWORD, newPassword: 'Another-horse?' }, 'newPassword', 'a digit'],
    [{ oldPassword: PASSWORD, newPassword: 'another-horse8?' }, 'newPassword', 'an upper-case letter'],
    [{ oldPassword: PASSWORD, newPassword: 'Another-horse8' }, 'newPassword', 'one of ! @ # ? ]'],
    [{ newPassword: better }, 'oldPassword', ''],
  ])('is refused with %j', async (body, field, text) => {
    const name = `refused-${accounts.clock.now().getTime()}-${Math.random()}`;
    await accounts.addUser(name);
    const token = await accounts.signIn(name);
    const answer = await change(token, body, '192.0.2.77');
    expect([answer.status, String(answer.body.reasons[field])]).toEqual([400, expect.stringContaining(text)]);
    expect((await accounts.call('GET', '/auth/me', { token })).status).toBe(200);
  });

  it('has the same limit of failures as sign-in', async () => {
    await accounts.addUser('guessed');
    const token = await accounts.signIn('guessed');
    for (let i = 0; i < 10; i++)
      expect((await change(token, { oldPassword: 'wrong', newPassword: better }, '192.0.2.78')).status).toBe(400);
    expect(await change(token, { oldPassword: PASSWORD, newPassword: better }, '192.0.2.78')).toMatchObject({
      status: 429,
      headers: { 'retry-after': '300' },
    });
    expect(await login('guessed', PASSWORD, '192.0.2.78')).toBe(429);
  });
});
