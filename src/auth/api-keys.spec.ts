import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccountsApp, type Answer, PASSWORD, startAccounts } from '../../test/support/accounts-app.js';
import { DoorsController } from '../../test/support/doors.js';

const lemurSecrets = ['a-secret-that-lemur-has-signed-with-1', 'the-secret-before-it-which-still-verifies'];
const dayMinutes = 24 * 60;
let accounts: AccountsApp;
let admin: string;
let ann: string;
let annId: number;

beforeAll(async () => {
  accounts = await startAccounts([DoorsController], {
    TOKEN_SECRETS: lemurSecrets.join(),
    TOKEN_LIFETIME_MINUTES: '525600',
  });
  admin = await accounts.signIn('admin');
  annId = await accounts.addUser('ann', 'operator');
  ann = await accounts.signIn('ann');
});
afterAll(() => accounts.close());

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
const call = (method: Method, path: string, body: object | undefined, token: string): Promise<Answer> =>
  accounts.call(method, path, { body, token });
const make = async (body: object = {}, token = ann): Promise<{ id: number; jwt: string }> => {
  const { status, body: made } = await call('POST', '/keys', { name: 'script', ttl: 30, ...body }, token);
  if (status !== 200) throw new Error(JSON.stringify(made));
  return made as { id: number; jwt: string };
};
const who = (token: string): Promise<Answer> => call('GET', '/doors/who', undefined, token);
const status = async (token: string): Promise<number> => (await who(token)).status;
const query = <T>(sql: string, values: unknown[] = []): Promise<T> => accounts.test.source.query<T>(sql, values);

describe('an API key', () => {
  it('is shown once and stored as a hash', async () => {
    const { status, body } = await call(
      'POST',
      '/keys',
      { name: 'deploy', ttl: 30, scopes: ['certificate:read'], applicationName: 'deployer' },
      ann,
    );
    const { jwt: secret, ...made } = body;
    expect([status, secret]).toEqual([200, expect.stringMatching(/^prn_\w{49}$/)]);
    expect(made).toEqual({
      id: expect.any(Number),
      name: 'deploy',
      applicationName: 'deployer',
      user: { id: annId, username: 'ann', email: 'ann@example.com', active: true },
      ttl: 30,
      issuedAt: Math.floor(accounts.clock.now().getTime() / 1000),
      expiresAt: expect.any(String),
      lastUsedAt: null,
      scopes: ['certificate:read'],
      revoked: false,
    });
    for (const path of [`/keys/${made.id}`, `/keys/${made.id}/described`, `/users/${annId}/keys/${made.id}`])
      expect((await call('GET', path, undefined, ann)).body).toEqual(made);
    const everything = JSON.stringify(
      await query('select (select json_agg(k) from api_key k), (select json_agg(e) from audit_event e)'),
    );
    expect(everything).toContain('deployer');
    expect(everything).not.toContain(secret.slice(4));
    const listed = JSON.stringify((await call('GET', '/keys?count=200', undefined, ann)).body);
    expect(listed).not.toMatch(/hash|jwt|prn_/i);
    expect(
      JSON.stringify((await call('GET', '/logs?filter=logType;apikey.created', undefined, admin)).body.items[0]),
    ).not.toMatch(/prn_|hash":"\w+=/);
  });

  it('acts for its user with any scheme, and the audit log names the key', async () => {
    const { id, jwt: secret } = await make({ name: 'acting' });
    expect((await who(secret)).body).toMatchObject({ userId: annId, username: 'ann', apiKey: { id, name: 'acting' } });
    expect((await accounts.call('GET', '/auth/me', { auth: `Basic ${secret}` })).body).toMatchObject({ id: annId });
    expect((await who(ann)).body.apiKey).toBeNull();
    const scoped = await make({ name: 'writing', scopes: ['apikey:write', 'apikey:read'] });
    await call('PUT', `/keys/${scoped.id}`, { name: 'renamed' }, scoped.jwt);
    expect(
      await query(
        `select actor_user_id, api_key_id, before->>'name' as was, after->>'name' as now from audit_event
          where action = 'apikey.changed' order by id desc limit 1`,
      ),
    ).toEqual([{ actor_user_id: annId, api_key_id: scoped.id, was: 'writing', now: 'renamed' }]);
  });

  it('is refused when it is mistyped, unknown, revoked, expired or deleted', async () => {
    const [one, two, three] = [await make(), await make({ ttl: 2 }), await make({ ttl: -1 })];
    const unknown = await make();
    await query('delete from api_key where id = $1', [unknown.id]);
    expect(await status(unknown.jwt)).toBe(401);
    expect(await status(`${one.jwt.slice(0, -1)}${one.jwt.endsWith('0') ? '1' : '0'}`)).toBe(401);
    expect(await Promise.all([one, two, three].map(({ jwt: secret }) => status(secret)))).toEqual([200, 200, 200]);
    accounts.clock.forward(2 * dayMinutes);
    expect(await who(two.jwt)).toMatchObject({ status: 401, body: { detail: 'The API key has expired.' } });
    accounts.clock.forward(40 * dayMinutes);
    expect([await status(one.jwt), await status(three.jwt)]).toEqual([401, 200]);
    expect((await call('PUT', `/keys/${three.id}`, { revoked: true }, ann)).body).toMatchObject({ revoked: true });
    expect(await who(three.jwt)).toMatchObject({ status: 401, body: { detail: 'The API key has been revoked.' } });
    const last = await make();
    expect((await call('DELETE', `/keys/${last.id}`, undefined, ann)).body).toEqual({ result: true });
    expect([await status(last.jwt), (await call('GET', `/keys/${last.id}`, undefined, ann)).status]).toEqual([
      401, 404,
    ]);
  });

  it('never has more permissions than its user, and is refused while the user is inactive', async () => {
    const id = await accounts.addUser('bea', 'operator');
    const { jwt: secret } = await make(
      { ttl: -1, scopes: ['job:read', 'user:write', 'audit:read'] },
      await accounts.signIn('bea'),
    );
    const jobs = () => call('GET', '/doors/jobs', undefined, secret);
    expect((await jobs()).status).toBe(200);
    expect((await call('GET', '/logs', undefined, secret)).status).toBe(403);
    await query(`delete from user_role where user_id = $1`, [id]);
    expect((await jobs()).status).toBe(403);
    await call('PUT', `/users/${id}`, { roles: [{ name: 'operator' }, { name: 'read-only' }] }, admin);
    expect((await call('POST', '/users', { username: 'x', email: 'x@example.com' }, secret)).status).toBe(403);
    await call('PUT', `/users/${id}`, { active: false }, admin);
    expect((await jobs()).status).toBe(401);
    await call('PUT', `/users/${id}`, { active: true }, admin);
    expect((await jobs()).status).toBe(200);
  });

  it('stays valid when the sessions of its user end', async () => {
    await accounts.addUser('cleo');
    const session = await accounts.signIn('cleo');
    const { jwt: secret } = await make({}, session);
    await call('POST', '/auth/logout', undefined, session);
    expect([await status(session), await status(secret)]).toEqual([401, 200]);
  });

  it('makes no keys, users, roles or passwords, and reads no credentials, unless a scope names it', async () => {
    const { jwt: plain } = await make({}, admin);
    const attempts: [Method, string, object][] = [
      ['POST', '/keys', { name: 'x', ttl: 1 }],
      ['PUT', '/keys/1', { revoked: false }],
      ['POST', '/users', { username: 'x', email: 'x@example.com' }],
      ['PUT', '/users/1', { active: true }],
      ['POST', '/roles', { name: 'x' }],
      ['PUT', '/roles/1', { description: 'x' }],
      ['POST', '/auth/password', { oldPassword: PASSWORD, newPassword: 'Another-horse8?' }],
      ['POST', '/auth/logout', {}],
    ];
    for (const [method, path, body] of attempts)
      expect((await call(method, path, body, plain)).status, `${method} ${path}`).toBe(403);
    expect((await call('GET', '/users', undefined, plain)).body.items[0]).toMatchObject({ id: 1, active: true });
    expect((await call('GET', '/roles/1/credentials', undefined, plain)).status).toBe(403);
    const { jwt: reader } = await make({ scopes: ['role:credentials'] }, admin);
    expect((await call('GET', '/roles/1/credentials', undefined, reader)).status).toBe(200);
    const { jwt: scoped } = await make({ scopes: ['role:write'] }, admin);
    expect((await call('POST', '/roles', { name: 'by a key' }, scoped)).status).toBe(200);
    expect((await call('GET', '/roles', undefined, scoped)).status).toBe(403);
    expect((await call('GET', '/auth/me', undefined, scoped)).status).toBe(200);
  });

  it('creates and changes no key with more permissions than its own', async () => {
    const { jwt: secret } = await make({ scopes: ['apikey:write', 'certificate:read'] }, admin);
    const child = (scopes?: string[] | null): Promise<Answer> =>
      call('POST', '/keys', { name: 'child', ttl: 1, ...(scopes !== undefined && { scopes }) }, secret);
    expect(
      await Promise.all(
        [undefined, null, ['key:read'], ['certificate:read', 'user:write']].map(
          async (scopes) => (await child(scopes)).status,
        ),
      ),
    ).toEqual([403, 403, 403, 403]);
    const made = await child(['certificate:read']);
    expect(made.status).toBe(200);
    expect((await call('PUT', `/keys/${made.body.id}`, { scopes: null }, secret)).status).toBe(403);
    expect((await call('PUT', `/keys/${made.body.id}`, { scopes: [] }, secret)).status).toBe(200);
    // What it may not make it may neither change nor delete: name, end, revocation and scopes of a wider one stay.
    const wider = [
      await make({ ttl: 30 }),
      await make({ scopes: ['key:read'] }),
      await make({ scopes: ['certificate:read', 'user:write'] }, admin),
    ];
    for (const wide of wider) {
      const { body: before } = await call('GET', `/keys/${wide.id}`, undefined, admin);
      for (const path of [`/keys/${wide.id}`, `/users/${before.user.id}/keys/${wide.id}`]) {
        for (const body of [{ ttl: -1 }, { name: 'mine' }, { revoked: true }, { revoked: false }, { scopes: [] }])
          expect((await call('PUT', path, body, secret)).status, JSON.stringify(body)).toBe(403);
        expect((await call('DELETE', path, undefined, secret)).status).toBe(403);
      }
      expect((await call('GET', `/keys/${wide.id}`, undefined, admin)).body).toEqual(before);
    }
    const { body: narrow } = await child(['certificate:read']);
    expect((await call('DELETE', `/keys/${narrow.id}`, undefined, secret)).status).toBe(200);
    // No scopes at all are not all scopes.
    expect((await call('GET', '/users', undefined, made.body.jwt)).status).toBe(403);
  });

  it('records its last use at most once a minute', async () => {
    const { id, jwt: secret } = await make({ ttl: -1 });
    const lastUsed = async (): Promise<Date | null> =>
      (await query<[{ at: Date | null }]>('select last_used_at as at from api_key where id = $1', [id]))[0].at;
    expect(await lastUsed()).toBeNull();
    await Promise.all(Array.from({ length: 20 }, () => status(secret)));
    await expect.poll(lastUsed, { timeout: 90_000 }).toEqual(accounts.clock.now());
    const first = await lastUsed();
    const writes = async (): Promise<string> =>
      (await query<[{ xmin: string }]>('select xmin::text from api_key where id = $1', [id]))[0].xmin;
    const before = await writes();
    accounts.clock.forward(0.9);
    await Promise.all(Array.from({ length: 20 }, () => status(secret)));
    expect([await writes(), await lastUsed()]).toEqual([before, first]);
    accounts.clock.forward(0.2);
    await status(secret);
    await expect.poll(lastUsed, { timeout: 90_000 }).toEqual(accounts.clock.now());
    expect((await call('GET', `/keys/${id}`, undefined, ann)).body.lastUsedAt).toMatch(/^\d{4}-/);
  });
});

describe('API keys', () => {
  it('belong to their users and administrators', async () => {
    const dan = await accounts.addUser('dan');
    const danToken = await accounts.signIn('dan');
    const own = await make({}, danToken);
    const others = await make();
    const paths = [
      `/keys/${others.id}`,
      `/keys/${others.id}/described`,
      `/users/${annId}/keys/${others.id}`,
      `/users/${annId}/keys`,
    ];
    for (const path of paths) expect((await call('GET', path, undefined, danToken)).status, path).toBe(403);
    for (const path of [paths[0], paths[2]] as string[]) {
      expect((await call('PUT', path, { revoked: true }, danToken)).status).toBe(403);
      expect((await call('DELETE', path, undefined, danToken)).status).toBe(403);
      expect((await call('GET', path, undefined, admin)).status).toBe(200);
    }
    expect((await call('GET', '/keys?count=200', undefined, danToken)).body).toMatchObject({
      total: 1,
      items: [{ id: own.id }],
    });
    expect((await call('GET', `/users/${dan}/keys`, undefined, admin)).body).toMatchObject({
      total: 1,
      items: [{ id: own.id }],
    });
    expect((await call('GET', `/keys?count=200&filter=userId;${dan}`, undefined, admin)).body).toMatchObject({
      total: 1,
    });
    expect((await call('GET', '/keys?count=200', undefined, admin)).body.total).toBeGreaterThan(5);
    for (const path of [`/users/${dan}/keys/${others.id}`, '/keys/4711', '/users/4711/keys'])
      expect((await call('GET', path, undefined, admin)).status, path).toBe(404);
    expect((await call('PUT', `/users/${dan}/keys/${own.id}`, { ttl: 3 }, danToken)).body).toMatchObject({ ttl: 3 });
    expect((await call('DELETE', `/users/${dan}/keys/${own.id}`, undefined, danToken)).body).toEqual({ result: true });
  });

  it('stay revoked once they are revoked', async () => {
    const { id, jwt: secret } = await make();
    expect((await call('PUT', `/keys/${id}`, { revoked: true }, ann)).body.revoked).toBe(true);
    for (const token of [ann, admin])
      expect((await call('PUT', `/keys/${id}`, { revoked: false }, token)).status).toBe(409);
    expect((await call('PUT', `/keys/${id}`, { name: 'old', revoked: true }, ann)).body).toMatchObject({
      name: 'old',
      revoked: true,
    });
    expect(await status(secret)).toBe(401);
  });

  it('can be created for others by administrators only', async () => {
    const eva = await accounts.addUser('eva');
    const evaToken = await accounts.signIn('eva');
    expect((await call('POST', '/keys', { name: 'x', ttl: 1, user: { id: annId } }, evaToken)).status).toBe(403);
    expect((await call('POST', `/users/${annId}/keys`, { name: 'x', ttl: 1 }, evaToken)).status).toBe(403);
    expect((await call('POST', `/users/${eva}/keys`, { name: 'x', ttl: 1 }, evaToken)).body.user.username).toBe('eva');
    expect(
      (await call('POST', '/keys', { name: 'x', ttl: 1, user: { name: 'EVA', email: 'ignored' } }, admin)).body.user
        .username,
    ).toBe('eva');
    expect((await call('POST', '/users/4711/keys', { name: 'x', ttl: 1 }, admin)).status).toBe(404);
    expect((await call('POST', '/keys', { name: 'x', ttl: 1, user: { id: 4711 } }, admin)).body.reasons).toEqual({
      user: [expect.any(String)],
    });
  });

  it.each([
    [{ ttl: 1 }, 'name'],
    [{ name: 'x' }, 'ttl'],
    [{ name: 'x', ttl: 0 }, 'ttl'],
    [{ name: 'x', ttl: -2 }, 'ttl'],
    [{ name: 'x', ttl: 1, scopes: ['everything'] }, 'scopes.0'],
    [{ name: 'x', ttl: 1, tokenHash: 'x' }, 'tokenHash'],
    [{ name: '', ttl: 1 }, 'name'],
  ])('are refused when they say %j', async (body, field) => {
    const answer = await call('POST', '/keys', body, ann);
    expect([answer.status, Object.keys(answer.body.reasons)]).toEqual([400, [field]]);
  });

  it('can be neither sorted nor filtered by hidden columns', async () => {
    for (const by of ['filter=tokenHash;x', 'sortBy=tokenHash', 'filter=token_hash;x', 'filter=user.passwordHash;x'])
      expect((await call('GET', `/keys?${by}`, undefined, ann)).status, by).toBe(400);
  });
});

describe('an API key of Lemur', () => {
  /** Who Ann was there. */
  const lemurAnn = 4242;
  const nowS = (): number => Math.floor(accounts.clock.now().getTime() / 1000);
  const sign = (claims: object, secret = lemurSecrets[0], algorithm: jwt.Algorithm = 'HS256'): string =>
    jwt.sign({ iat: nowS(), ...claims }, secret as string, { algorithm });
  const carryOver = async (fields: { id: number; ttl?: number; issuedAt?: Date; userId?: number }): Promise<void> => {
    await query(
      'insert into api_key (id, user_id, name, ttl_days, issued_at, legacy_id, ' +
        'legacy_user_id) values ($1 + 1000, $2, $3, $4, $5, $1, $6)',
      [fields.id, fields.userId ?? annId, 'old', fields.ttl ?? -1, fields.issuedAt ?? accounts.clock.now(), lemurAnn],
    );
  };

  it('stays valid until its row expires, under any of the secrets', async () => {
    await carryOver({ id: 5001 });
    await carryOver({ id: 5002, ttl: 10 });
    for (const sub of [lemurAnn, String(lemurAnn)]) expect(await status(sign({ sub, aid: 5001 }))).toBe(200);
    const old = sign({ sub: lemurAnn, aid: 5001 }, lemurSecrets[1]);
    const ending = sign({ sub: lemurAnn, aid: 5002 });
    expect((await who(old)).body.apiKey).toEqual({ id: 6001, name: 'old' });
    expect([await status(old), await status(ending)]).toEqual([200, 200]);
    accounts.clock.forward(10 * dayMinutes);
    expect([await status(old), await status(ending)]).toEqual([200, 401]);
    await call('PUT', '/keys/6001', { revoked: true }, ann);
    expect(await status(old)).toBe(401);
  });

  it('cannot be forged, used for another user, or refer to keys that were created here', async () => {
    await carryOver({ id: 5003 });
    const { id } = await make();
    const base64url = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const forged = [
      sign({ sub: lemurAnn, aid: 5003 }, 'x'.repeat(40)),
      sign({ sub: lemurAnn, aid: 5003 }, lemurSecrets[0], 'HS512'),
      sign({ sub: 1, aid: 5003 }),
      sign({ sub: annId, aid: 5003 }),
      sign({ aid: 5003 }),
      sign({ sub: lemurAnn, aid: 5999 }),
      sign({ sub: lemurAnn, aid: id }),
      sign({ sub: lemurAnn, aid: '5003' }),
      sign({ sub: lemurAnn, aid: 5003, exp: nowS() - 1 }),
      sign({ sub: lemurAnn }),
      sign({ sub: lemurAnn, aid: null, epoch: 0, exp: nowS() + 60 }),
      `${base64url({ alg: 'none' })}.${base64url({ sub: lemurAnn, aid: 5003 })}.`,
    ];
    expect(await Promise.all(forged.map(status))).toEqual(forged.map(() => 401));
    expect(await status(sign({ sub: lemurAnn, aid: 5003 }))).toBe(200);
  });
});
