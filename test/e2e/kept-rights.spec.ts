import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bearers } from '../../src/auth/bearers.js';
import { UsualRelationRepository } from '../../src/certificates/usual-relations.js';
import type { Json } from '../support/json.js';
import {
  adminPassword,
  type Answer,
  eventually,
  startProgram,
  startProgramOn,
  type TestProgram,
} from '../support/program.js';

const password = 'Correct-Horse-2!';
const day = 86_400_000;

/** Who asks `here` for certificates, and what a change there needs to know of them. */
interface Person {
  userId: number;
  roleId: number;
  username: string;
  token: string;
  keyId: number;
}

describe('rights in the memory of a process', () => {
  let here: TestProgram;
  let there: TestProgram;
  let person: Person;
  let number = 0;

  beforeAll(async () => {
    const env = {
      ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
      TOKEN_SECRETS: randomBytes(32).toString('hex'),
    };
    here = await startProgram(env);
    there = await startProgramOn(here.database, here.clock, env, {});
    await here.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
    await issue(await here.login('admin', adminPassword));
  });
  afterAll(async () => {
    await there.perennial.stop();
    await here.stop();
  });
  afterEach(() => vi.restoreAllMocks());

  /** A holder of a role that may issue from `root`, with a session, or with an API key. */
  const makePerson = async (way: 'session' | 'key'): Promise<Person> => {
    const username = `user${++number}`;
    const role = await here.ok('POST', '/roles', { name: `issuers${number}` });
    const root = await here.ok('GET', '/authorities?filter=name;root');
    const { roles } = root.items[0] as { roles: Json[] };
    await here.ok('PUT', `/authorities/${root.items[0].id}`, { ...root.items[0], roles: [...roles, { id: role.id }] });
    const { id: userId } = await here.ok('POST', '/users', {
      username,
      email: `${username}@example.com`,
      password,
      roles: [{ id: role.id }],
    });
    const session = await here.login(username, password);
    const key = (await here.call('POST', '/keys', { name: 'script', ttl: 30 }, { token: session })).body;
    return { userId, roleId: role.id, username, token: way === 'session' ? session : key.jwt, keyId: key.id };
  };

  const issue = (token: string, more: object = {}): Promise<Answer> =>
    here.call(
      'POST',
      '/certificates',
      {
        owner: 'a@example.com',
        commonName: `n${++number}.example.com`,
        authority: { name: 'root' },
        validityDays: 9,
        ...more,
      },
      { token },
    );
  const stored = async (): Promise<number> =>
    (await here.database.source.query<[{ n: number }]>('select count(*)::int as n from certificate'))[0].n;

  /** Issues twice: the second time nothing is read of who asks. */
  const warmUp = async (token: string): Promise<void> => {
    expect((await issue(token)).status).toBe(200);
    const { app } = here.perennial;
    const reads = [
      vi.spyOn(app.get(Bearers, { strict: false }), 'read'),
      vi.spyOn(app.get<{ findMany: () => unknown }>(UsualRelationRepository, { strict: false }), 'findMany'),
    ];
    expect((await issue(token)).status).toBe(200);
    for (const read of reads) expect(read).not.toHaveBeenCalled();
  };

  const changes: [way: 'session' | 'key', what: string, status: number, change: (one: Person) => Promise<unknown>][] = [
    ['session', 'that was closed', 401, ({ token }) => there.call('POST', '/auth/logout', undefined, { token })],
    ['session', 'of a user who is no longer active', 401, deactivate],
    [
      'session',
      'of a user who was set inactive in the database',
      401,
      ({ userId }) => sql('update app_user set active = false where id = $1', [userId]),
    ],
    ['session', 'of a user whose role was taken', 403, ({ userId, username }) => setRoles(userId, username, [])],
    [
      'session',
      'of a user who got the role read-only',
      403,
      ({ userId, username, roleId }) => setRoles(userId, username, [{ id: roleId }, { name: 'read-only' }]),
    ],
    ['session', 'of a user whose role was deleted', 403, ({ roleId }) => there.ok('DELETE', `/roles/${roleId}`)],
    ['key', 'that was revoked', 401, ({ keyId }) => there.ok('PUT', `/keys/${keyId}`, { revoked: true })],
    ['key', 'that was deleted', 401, ({ keyId }) => there.ok('DELETE', `/keys/${keyId}`)],
    [
      'key',
      'whose scopes leave it out by now',
      403,
      ({ keyId }) => there.ok('PUT', `/keys/${keyId}`, { scopes: ['certificate:read'] }),
    ],
    [
      'key',
      'whose end was brought forward',
      401,
      ({ keyId }) => sql(`update api_key set issued_at = issued_at - interval '40 days' where id = $1`, [keyId]),
    ],
    ['key', 'of a user who is no longer active', 401, deactivate],
    ['key', 'of a user whose role was taken', 403, ({ userId, username }) => setRoles(userId, username, [])],
  ];

  function sql(text: string, values: unknown[]): Promise<unknown> {
    return here.database.source.query(text, values);
  }
  function deactivate({ userId, username, roleId }: Person): Promise<unknown> {
    return there.ok('PUT', `/users/${userId}`, {
      username,
      email: `${username}@example.com`,
      active: false,
      roles: [{ id: roleId }],
    });
  }
  function setRoles(userId: number, username: string, roles: object[]): Promise<unknown> {
    return there.ok('PUT', `/users/${userId}`, { username, email: `${username}@example.com`, active: true, roles });
  }

  describe.each(['session', 'key'] as const)('of a %s', (way) => {
    beforeEach(async () => {
      person = await makePerson(way);
      await warmUp(person.token);
    });

    it.each(changes.filter(([whose]) => whose === way).map(([, ...rest]) => rest))(
      'end at once after a change by another process, and nothing is issued for one %s',
      async (_, status, change) => {
        const before = await stored();
        await change(person);
        expect((await issue(person.token)).status).toBe(status);
        expect(await stored()).toBe(before);
      },
    );

    it('end for many simultaneous requests', async () => {
      const before = await stored();
      await deactivate(person);
      const answers = await Promise.all(Array.from({ length: 20 }, () => issue(person.token)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
      expect(await stored()).toBe(before);
    });

    it('do not return an earlier certificate for an Idempotency-Key once they have ended', async () => {
      const again = { headers: { 'idempotency-key': `k${person.userId}` }, token: person.token };
      const body = { owner: 'a@example.com', commonName: 'same.example.com', authority: { name: 'root' } };
      expect((await here.call('POST', '/certificates', body, again)).status).toBe(200);
      await deactivate(person);
      expect((await here.call('POST', '/certificates', body, again)).status).toBe(401);
    });

    it('are valid at once when another process has granted them', async () => {
      await setRoles(person.userId, person.username, []);
      expect((await issue(person.token)).status).toBe(403);
      await setRoles(person.userId, person.username, [{ id: person.roleId }]);
      expect((await issue(person.token)).status).toBe(200);
    });
  });

  it('renew a certificate by the rights of a role that was given a moment ago, not of one that was taken', async () => {
    const { userId, username, roleId, token } = await makePerson('session');
    const owner = `team${userId}@example.com`;
    const team = await here.ok('POST', '/roles', { name: owner });
    const vouching = async (): Promise<unknown> => (await issue(token, { owner })).body.renewal.vouchingRole;
    await warmUp(token);
    await setRoles(userId, username, [{ id: roleId }, { id: team.id }]);
    expect(await vouching()).toBe(owner);
    vi.restoreAllMocks();
    await warmUp(token);
    await setRoles(userId, username, [{ id: roleId }]);
    expect(await vouching()).toBeNull();
  });

  it('end when the token expires', async () => {
    const { token } = await makePerson('key');
    await warmUp(token);
    here.clock.advance(31 * day);
    expect((await issue(token)).status).toBe(401);
    here.clock.advance(-31 * day);
  });

  it('record the use of an API key once a minute', async () => {
    const { token, keyId } = await makePerson('key');
    await warmUp(token);
    const lastUse = async (): Promise<Date | null> => {
      const [row] = await here.database.source.query<[{ at: Date | null }]>(
        'select last_used_at as at from api_key where id = $1',
        [keyId],
      );
      return row.at;
    };
    // The request does not wait until it is recorded.
    const at = await eventually(lastUse);
    expect(here.clock.now().getTime() - at.getTime()).toBeLessThan(60_000);
    here.clock.advance(61_000);
    expect((await issue(token)).status).toBe(200);
    await eventually(async () => ((await lastUse()) ?? at) > at);
  });

  it('include profiles: one that another process has changed a moment ago is obeyed', async () => {
    const { token } = await makePerson('session');
    const profile = await there.ok('POST', '/profiles', { name: 'ours', rules: {} });
    const wanted = { profile: { name: 'ours' } };
    expect((await issue(token, wanted)).body.profile.version).toBe(1);
    await there.ok('PUT', `/profiles/${profile.id}`, { name: 'ours', rules: { policies: ['1.2.3'] } });
    expect((await issue(token, wanted)).body.profile.version).toBe(2);
    await there.ok('PUT', `/profiles/${profile.id}`, { name: 'ours', rules: { keyTypes: ['RSA2048'] } });
    expect((await issue(token, wanted)).body.reasons).toEqual({ keyType: [expect.any(String)] });
    await there.ok('PUT', `/profiles/${profile.id}`, { name: 'ours', rules: {} });
    expect((await issue(token, wanted)).body.profile.version).toBe(4);
    await there.ok('PUT', `/profiles/${profile.id}`, { name: 'ours', active: false, rules: {} });
    expect((await issue(token, wanted)).status).toBe(400);
  });

  it('include defaults: a policy or subscription that another process has changed applies at once', async () => {
    const { token } = await makePerson('session');
    await warmUp(token);
    const { items } = await there.ok('GET', '/policies?filter=name;default');
    const [policy] = items as [{ id: number; name: string; days: number }];
    await there.ok('PUT', `/policies/${policy.id}`, { ...policy, days: 3 });
    expect((await issue(token, { rotation: true })).body.rotationPolicy.days).toBe(3);
    vi.restoreAllMocks();
    await issue(token);
    await warmUp(token);
    const { id } = await there.ok('POST', '/channels', {
      label: 'chat',
      plugin: { id: 'email', options: { recipients: 'ops@example.com' } },
    });
    await there.ok('POST', '/subscriptions', {
      label: 'new',
      channel: { id },
      events: ['certificate.issued'],
      scope: 'all',
    });
    const made = await issue(token);
    expect(made.status).toBe(200);
    expect(
      await sql(`select event from notice where certificate_id = $1 and event = 'certificate.issued'`, [made.body.id]),
    ).toHaveLength(1);
  });
});
