import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority } from '../support/bundles.js';
import { startProgram, type TestProgram } from '../support/program.js';

const elsewhere = startTestAuthority();
let program: TestProgram;
let victim: number;

beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  victim = (await program.ok('POST', '/certificates', request('victim', { rotation: true }))).id;
});
afterAll(async () => {
  elsewhere.close();
  await program.stop();
});

const request = (name: string, more: object = {}): object => ({
  owner: 'joe@example.com',
  commonName: `${name}.example.com`,
  authority: { name: 'root' },
  validityDays: 90,
  ...more,
});
const keyWith = async (...scopes: string[]): Promise<{ token: string }> => ({
  token: (await program.ok('POST', '/keys', { name: 'script', ttl: -1, scopes })).jwt,
});
const refusals = (): Promise<{ target: string; key: boolean; address: string; id: boolean }[]> =>
  program.database.source.query(
    `select target_id as target, api_key_id is not null as key, address, request_id <> '' as id from audit_event
      where action = 'key.refused' order by id`,
  );

describe('an API key', () => {
  it('with certificate:issue alone cannot replace another certificate', async () => {
    const key = await keyWith('certificate:issue');
    expect((await program.call('POST', '/certificates', request('a'), key)).status).toBe(200);
    for (const more of [{ replaces: [{ id: victim }] }, { replacements: [{ id: victim }] }]) {
      expect(await program.call('POST', '/certificates', request('b', more), key)).toMatchObject({
        status: 403,
        body: { detail: expect.stringContaining('certificate:update') },
      });
    }
    expect(await program.ok('GET', `/certificates/${victim}`)).toMatchObject({
      notify: true,
      nextNoticeAt: expect.any(String),
      renewal: { at: expect.any(String) },
    });
    expect(
      (
        await program.call(
          'POST',
          '/certificates',
          request('c', { replaces: [{ id: victim }] }),
          await keyWith('certificate:issue', 'certificate:update'),
        )
      ).status,
    ).toBe(200);
  });

  it('with certificate:import alone cannot replace another certificate', async () => {
    const [body, chain] = elsewhere.issue('d.example.com').chainPem;
    const { status } = await program.call(
      'POST',
      '/certificates/upload',
      { owner: 'joe@example.com', body, chain, replaces: [{ id: victim }] },
      await keyWith('certificate:import'),
    );
    expect(status).toBe(403);
  });

  it('with certificate:issue alone cannot repeat a delivery', async () => {
    const key = await keyWith('certificate:issue');
    const { id: destination } = await program.ok('POST', '/destinations', {
      label: 'web',
      plugin: { id: 'filesystem', options: { path: `${program.dataDir}/web` } },
    });
    const { id } = await program.ok('POST', '/certificates', request('e', { destinations: [{ id: destination }] }));
    // No worker runs here: what the successor is to be delivered to stays open.
    expect(await program.ok('POST', `/certificates/${id}/rotate`, {})).toMatchObject({ action: 'reissue' });
    expect(await program.call('POST', `/certificates/${id}/rotate`, {}, key)).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('delivery:retry') },
    });
    expect(
      (
        await program.call(
          'POST',
          `/certificates/${id}/rotate`,
          {},
          await keyWith('certificate:issue', 'delivery:retry'),
        )
      ).body,
    ).toMatchObject({ action: 'redeploy' });
  });
});

describe('a refused request for a private key', () => {
  it('is recorded once a minute for the same actor and certificate', async () => {
    await program.ok('POST', '/users', {
      username: 'bob',
      email: 'bob@example.com',
      password: 'Correct-Horse-2!',
      roles: [],
    });
    const bob = { token: await program.login('bob', 'Correct-Horse-2!') };
    const target = String(victim);
    const expected = { target, key: false, address: expect.stringMatching(/127\.0\.0\.1$/), id: true };
    for (let i = 0; i < 3; i += 1)
      expect((await program.call('GET', `/certificates/${victim}/key`, undefined, bob)).status).toBe(403);
    expect(await refusals()).toEqual([expected]);
    program.clock.advance(61_000);
    expect(
      (await program.call('POST', `/certificates/${victim}/export`, { plugin: { id: 'pkcs12' } }, bob)).status,
    ).toBe(403);
    expect(await refusals()).toEqual([expected, expected]);
    // Also where the scopes of an API key leave the right out at the door.
    expect(
      (await program.call('GET', `/certificates/${victim}/key`, undefined, await keyWith('certificate:read'))).status,
    ).toBe(403);
    expect(await refusals()).toEqual([expected, expected, { ...expected, key: true }]);
  });
});
