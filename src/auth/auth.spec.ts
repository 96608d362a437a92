import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccountsApp, type Answer, PASSWORD, startAccounts } from '../../test/support/accounts-app.js';
import { DoorsController, HiddenController, MixedController } from '../../test/support/doors.js';
import { accessRule } from './access-rule.js';
import { openTokenKeys, TokenKeys } from './token-keys.js';
import { Tokens } from './tokens.js';

let accounts: AccountsApp;
beforeAll(async () => {
  accounts = await startAccounts([DoorsController]);
});
afterAll(() => accounts.close());

describe('the guard', () => {
  it('lets everyone use a public route', async () => {
    expect(await accounts.call('GET', '/doors/open')).toMatchObject({ status: 200, body: { open: true } });
    expect(await accounts.call('GET', '/health/live')).toMatchObject({ status: 200 });
  });

  it.each(['Bearer', 'Basic', 'Token', 'bearer'])('takes the token after the word %s', async (word) => {
    const token = await accounts.signIn('admin');
    expect((await accounts.call('GET', '/doors/who', { auth: `${word} ${token}` })).status).toBe(200);
  });

  it('passes the actor to the route', async () => {
    const id = await accounts.addUser('ada', 'web@example.com', 'operator');
    const { body } = await accounts.call('GET', '/doors/jobs', {
      token: await accounts.signIn('ada'),
      address: '192.0.2.7',
    });
    expect(body).toMatchObject({
      userId: id,
      username: 'ada',
      email: 'ada@example.com',
      address: '192.0.2.7',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(body.roles.map(({ name }: { name: string }) => name).sort()).toEqual(['operator', 'web@example.com']);
    expect(body.permissions).toBeGreaterThan(15);
  });

  it('answers 403 when the roles do not allow it, and follows a change of roles at once', async () => {
    const id = await accounts.addUser('bob');
    const token = await accounts.signIn('bob');
    expect(await accounts.call('GET', '/doors/jobs', { token })).toMatchObject({
      status: 403,
      body: { detail: 'This needs job:read.' },
    });
    await accounts.test.source.query(`insert into user_role select $1, id from role where name = 'operator'`, [id]);
    expect((await accounts.call('GET', '/doors/jobs', { token })).status).toBe(200);
  });

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Bearer x', 'Bearer a.b.c', 'Bearer a b', 'Bearer null'])(
    'answers 401 to %j',
    async (auth) => {
      const answer = await accounts.call('GET', '/doors/who', { auth });
      expect(answer).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': 'Bearer' },
        body: { type: 'https://pki.example.org/problems/unauthenticated' },
      });
    },
  );

  it('refuses inactive users and unknown ones', async () => {
    const id = await accounts.addUser('carl');
    const token = await accounts.signIn('carl');
    await accounts.test.source.query('update app_user set active = false where id = $1', [id]);
    expect((await accounts.call('GET', '/doors/who', { token })).status).toBe(401);
    await accounts.test.source.query('delete from app_user where id = $1', [id]);
    expect((await accounts.call('GET', '/doors/who', { token })).status).toBe(401);
  });

  it('accepts a token until it expires, and refuses it afterwards', async () => {
    await accounts.addUser('dora');
    const token = await accounts.signIn('dora');
    accounts.clock.forward(719);
    expect((await accounts.call('GET', '/doors/who', { token })).status).toBe(200);
    accounts.clock.forward(2);
    expect(await accounts.call('GET', '/doors/who', { token })).toMatchObject({
      status: 401,
      body: { detail: 'The token has expired.' },
    });
  });
});

describe('tokens', () => {
  const keys = () => accounts.app.get<TokenKeys>(TokenKeys, { strict: false });
  const claims = () => ({ sub: '1', epoch: 0, exp: (accounts.clock.now().getTime() / 1000 + 600) | 0 });
  const secret = () => keys()[0].export();
  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const status = async (token: string) => (await accounts.call('GET', '/doors/who', { token })).status;

  it('are accepted if they are signed with HS256 and our secret', async () => {
    expect(await status(jwt.sign(claims(), keys()[0], { algorithm: 'HS256' }))).toBe(200);
    const input = `${base64({ alg: 'HS256' })}.${base64(claims())}`;
    expect(await status(`${input}.${createHmac('sha256', secret()).update(input).digest('base64url')}`)).toBe(200);
  });

  it('are refused with any other algorithm, signed with our secret or not at all', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const unsigned = `${base64({ alg: 'none' })}.${base64(claims())}.`;
    const relabelled = `${base64({ alg: 'RS256' })}.${base64(claims())}`;
    const forged = [
      unsigned,
      jwt.sign(claims(), secret(), { algorithm: 'HS384' }),
      jwt.sign(claims(), secret(), { algorithm: 'HS512' }),
      jwt.sign(claims(), privateKey, { algorithm: 'RS256' }),
      jwt.sign(claims(), 'x'.repeat(32), { algorithm: 'HS256' }),
      `${relabelled}.${createHmac('sha256', secret()).update(relabelled).digest('base64url')}`,
    ];
    expect(await Promise.all(forged.map(status))).toEqual(forged.map(() => 401));
  });

  it.each([
    { exp: undefined },
    { sub: undefined },
    { sub: '0' },
    { sub: '1x' },
    { sub: '99999999999' },
    { epoch: undefined },
    { epoch: '0' },
    { epoch: -1 },
    { epoch: 1 },
  ])('are refused with %j', async (wrong) => {
    const values = Object.entries({ ...claims(), ...wrong }).filter(([, value]) => value !== undefined);
    expect(await status(jwt.sign(Object.fromEntries(values), keys()[0], { algorithm: 'HS256' }))).toBe(401);
  });

  it('are signed with the first secret and verified with all', async () => {
    const [one, two] = ['1'.repeat(32), '2'.repeat(32)];
    const tokens = async (...tokenSecrets: string[]) =>
      new Tokens(
        await openTokenKeys({ tokenSecrets, dataDir: '/nowhere' }),
        { tokenLifetimeMinutes: 5 } as never,
        accounts.clock,
      );
    const holder = { userId: 3, epoch: 4 };
    const old = (await tokens(one)).issue(holder);
    const endsAt = new Date((Math.floor(accounts.clock.now().getTime() / 1000) + 300) * 1000);
    expect((await tokens(two, one)).read(old)).toEqual({ ...holder, endsAt });
    expect(
      jwt.verify((await tokens(two, one)).issue(holder), two, {
        clockTimestamp: (accounts.clock.now().getTime() / 1000) | 0,
      }),
    ).toMatchObject({ sub: '3' });
    await expect(tokens(two).then((t) => t.read(old))).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('the token secret', () => {
  it('is created once and readable by its owner only, even if several processes start at once', async () => {
    const dataDir = join(await mkdtemp(join(tmpdir(), 'perennial-secret-')), 'data');
    const made = await Promise.all(
      Array.from({ length: 5 }, () => openTokenKeys({ dataDir, tokenSecrets: undefined })),
    );
    const text = (await readFile(join(dataDir, 'token-secret'), 'utf8')).trim();
    expect(new Set(made.map(([key]) => key.export().toString()))).toEqual(new Set([text]));
    expect((await stat(join(dataDir, 'token-secret'))).mode & 0o777).toBe(0o600);
    await rm(dataDir, { recursive: true });
  });

  it('is refused when others may read it, or when it is short', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'perennial-secret-'));
    await writeFile(join(dataDir, 'token-secret'), 'x'.repeat(40), { mode: 0o644 });
    await expect(openTokenKeys({ dataDir, tokenSecrets: undefined })).rejects.toThrow('chmod 600');
    await expect(openTokenKeys({ dataDir, tokenSecrets: ['short'] })).rejects.toThrow('32');
    await rm(dataDir, { recursive: true });
  });
});

describe('signing in', () => {
  const login = (username: string, password: string, address?: string) =>
    accounts.call('POST', '/auth/login', { body: { username, password }, address });

  it('works by name and by address, ignoring case', async () => {
    await accounts.addUser('Erna');
    for (const name of ['Erna', 'erna', 'ERNA@example.com'])
      expect((await login(name, PASSWORD)).status, name).toBe(200);
  });

  it('works in composed and in decomposed characters', async () => {
    const id = await accounts.addUser('rene');
    const [composed, decomposed] = ['Ren\u00e9', 'Rene\u0301'];
    await accounts.test.source.query('update app_user set username = $2 where id = $1', [id, composed]);
    for (const name of [composed, decomposed]) expect((await login(name, PASSWORD)).status).toBe(200);
  });

  it('fails alike for an unknown user, a wrong password, an inactive user and one without a password', async () => {
    const [off, none] = [await accounts.addUser('off'), await accounts.addUser('none')];
    await accounts.test.source.query('update app_user set active = false where id = $1', [off]);
    await accounts.test.source.query('update app_user set password_hash = null where id = $1', [none]);
    const tries = [
      ['nobody', PASSWORD],
      ['admin', 'wrong'],
      ['off', PASSWORD],
      ['none', PASSWORD],
      ['none', ''],
    ] as const;
    const answers = await Promise.all(
      tries.slice(0, 4).map(([name, password]) => login(name, password, '198.51.100.1')),
    );
    for (const { status, body } of answers) {
      expect(status).toBe(401);
      expect({ ...body, instance: '' }).toEqual({ ...answers[0]?.body, instance: '' });
    }
    expect(answers[0]?.body.type).toBe('https://pki.example.org/problems/bad-credentials');
  });

  it('requires a name and a password', async () => {
    for (const body of [
      {},
      { username: 'admin' },
      { username: 'admin', password: '' },
      { username: 'admin', password: 'x'.repeat(1025) },
    ]) {
      expect((await accounts.call('POST', '/auth/login', { body })).status).toBe(400);
    }
  });

  it('is recorded in the audit log on success and on failure, without the password', async () => {
    const id = await accounts.addUser('fred');
    await login('fred', PASSWORD, '203.0.113.9');
    await login('fred', 'Not-my-password1!', '203.0.113.9');
    const events = await accounts.test.source.query(
      `select * from audit_event where address = '203.0.113.9' order by id`,
    );
    expect(events).toMatchObject([
      { action: 'session.opened', target_type: 'user', target_id: String(id), actor_user_id: id, actor_name: 'fred' },
      { action: 'session.refused', target_id: String(id), actor_user_id: null, actor_name: 'fred' },
    ]);
    expect(JSON.stringify(events)).not.toContain('Not-my-password1!');
  });

  it('refuses the eleventh try from one address for five minutes, also with the right password', async () => {
    await accounts.addUser('gina');
    const from = '198.51.100.10';
    for (let i = 1; i <= 10; i++) expect((await login(`ghost${i}`, 'x', from)).status).toBe(401);
    const answer = await login('gina', PASSWORD, from);
    expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '300' } });
    expect((await login('gina', PASSWORD, '198.51.100.11')).status).toBe(200);
    accounts.clock.forward(5);
    expect((await login('gina', PASSWORD, from)).status).toBe(200);
  });

  it('refuses the hundred-and-first try for one account, by whatever name and from wherever', async () => {
    await accounts.addUser('hugo');
    const hundred = (name: (i: number) => string, net: string): Promise<Answer[]> =>
      Promise.all(Array.from({ length: 100 }, (_, i) => login(name(i), 'x', `${net}.${i + 1}`)));
    for (const { status } of await hundred((i) => (i % 2 ? 'hugo' : 'HUGO@example.com'), '198.51.100'))
      expect(status).toBe(401);
    expect((await login('hugo', PASSWORD, '203.0.113.200')).status).toBe(429);
    for (const { status } of await hundred(() => 'nobody-at-all', '198.51.101')) expect(status).toBe(401);
    expect((await login('Nobody-At-All', 'x', '203.0.113.201')).status).toBe(429);
  });

  it('counts concurrent attempts too', async () => {
    await accounts.addUser('ines');
    const answers = await Promise.all(Array.from({ length: 25 }, () => login('ines', 'x', '192.0.2.100')));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15);
  });

  it('does not count successful sign-ins', async () => {
    await accounts.addUser('jan');
    for (let i = 1; i <= 12; i++) expect((await login('jan', PASSWORD, '198.51.100.20')).status).toBe(200);
  });
});

describe('a session', () => {
  it('shows the signed-in user', async () => {
    const id = await accounts.addUser('kim', 'web@example.com');
    const { body } = await accounts.call('GET', '/auth/me', { token: await accounts.signIn('kim') });
    expect(body).toEqual({
      id,
      username: 'kim',
      email: 'kim@example.com',
      active: true,
      profilePicture: null,
      roles: [{ id: expect.any(Number), name: 'web@example.com' }],
    });
  });

  it('ends on every client when the user signs out', async () => {
    await accounts.addUser('lea', 'read-only');
    const [one, two] = [await accounts.signIn('lea'), await accounts.signIn('lea')];
    expect((await accounts.call('POST', '/auth/logout', { token: one })).status).toBe(200);
    for (const token of [one, two]) {
      expect(await accounts.call('GET', '/auth/me', { token })).toMatchObject({
        status: 401,
        body: { detail: 'The token has been revoked.' },
      });
    }
    expect((await accounts.call('GET', '/auth/me', { token: await accounts.signIn('lea') })).status).toBe(200);
  });
});

describe('routes without a rule', () => {
  it('stop the program at boot', async () => {
    await expect(startAccounts([HiddenController])).rejects.toThrow(
      'HiddenController.none: neither @Requires nor @Public\n' +
        '  HiddenController.typo: no permission certificate:raed\n' +
        '  HiddenController.keyOfWhat: no :id of the certificate',
    );
  });

  it('have no rule; the method counts before the controller', () => {
    const prototype = MixedController.prototype as unknown as Record<'shut' | 'open', object>;
    expect(accessRule(prototype.shut, MixedController)).toEqual({ permission: 'user:read' });
    expect(accessRule(prototype.open, MixedController)).toEqual({ public: true });
    expect(accessRule(prototype.open, HiddenController)).toBeUndefined();
  });
});
