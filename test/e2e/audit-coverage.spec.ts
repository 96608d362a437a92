import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProgram, type TestProgram } from '../support/program.js';
import { Fixtures, password } from './rights/fixtures.js';
import { askRoute } from './rights/requests.js';
import { rights } from './rights/table.js';

interface Event {
  userId: number | null;
  apiKeyId: number | null;
  address: string | null;
}

const readsSecret: ReadonlySet<string> = new Set([
  'get /certificates/:id/key',
  'get /pending_certificates/:id/key',
  'get /roles/:id/credentials',
]);
/**
 * As they are asked here: an export without the key, what a clean-up or other rules would do, and a verification of
 * anything.
 */
const touchesNothing: ReadonlySet<string> = new Set([
  'post /certificates/:id/export',
  'post /profiles/:id/preview',
  'post /sources/:id/clean',
  'post /verify',
]);

/** What an administrator may do that changes something or hands out a secret. */
const told = [...rights]
  .filter(
    ([route, { admin }]) =>
      admin === 'ok' && (!route.startsWith('get ') || readsSecret.has(route)) && !touchesNothing.has(route),
  )
  .map(([route]) => route);

let program: TestProgram;
let fixtures: Fixtures;
let key: { id: number; jwt: string };
beforeAll(async () => {
  program = await startProgram({ PERENNIAL_ROLE: 'api', ALLOW_CERT_DELETION: 'true' });
  fixtures = new Fixtures(program);
  await fixtures.prepare();
  key = await program.ok('POST', '/keys', { name: 'script', ttl: -1 });
});
afterAll(async () => {
  fixtures.close();
  await program.stop();
});

function eventsOf(requestId: string | null): Promise<Event[]> {
  return program.database.source.query(
    `select actor_user_id as "userId", api_key_id as "apiKeyId", address from audit_event where request_id = $1`,
    [requestId],
  );
}

describe('the audit log', () => {
  it.each(told)('records who sent %s', async (route) => {
    let answer = await askRoute(program, fixtures, route, key.jwt);
    // API keys leave accounts and sessions alone.
    const byKey = answer.status !== 403;
    if (!byKey) answer = await askRoute(program, fixtures, route, await program.login('admin', 'Correct-Horse-1!'));
    expect([answer.status < 300, answer.body]).toEqual([true, answer.body]);
    const events = await eventsOf(answer.headers.get('x-request-id'));
    expect(events.length).toBeGreaterThan(0);
    for (const { address, apiKeyId, userId } of events)
      expect([address, apiKeyId, userId]).toEqual(['127.0.0.1', byKey ? key.id : null, 1]);
  });

  it('records the export of a private key', async () => {
    const { headers } = await program.call('POST', `/certificates/${fixtures.sharedId}/export`, {
      plugin: { id: 'pem-bundle' },
    });
    expect(await eventsOf(headers.get('x-request-id'))).toHaveLength(1);
  });

  it('records a refused read of a private key', async () => {
    const { id } = await program.ok('POST', '/users', {
      username: 'eve',
      email: 'eve@example.com',
      password,
      roles: [],
    });
    const answer = await program.call('GET', `/certificates/${fixtures.sharedId}/key`, undefined, {
      token: await program.login('eve', password),
    });
    const [event] = await program.database.source.query(
      'select action, actor_user_id as "userId", target_id as "targetId" from audit_event where request_id = $1',
      [answer.headers.get('x-request-id')],
    );
    expect(event).toMatchObject({
      action: expect.stringMatching(/^key\..*refused$/),
      userId: id,
      targetId: String(fixtures.sharedId),
    });
  });

  it('holds none of the secrets in requests and answers', async () => {
    const secrets = ['Shared-Secret-1!', password, 'Correct-Horse-1!', key.jwt, 'aws-secret-of-the-test'];
    const aws = {
      label: 'aws',
      plugin: {
        id: 'aws-iam',
        options: { accountNumber: '123456789012', accessKeyId: 'AKIATEST', secretAccessKey: 'aws-secret-of-the-test' },
      },
    };
    const made = await program.call('POST', '/destinations', aws);
    expect([made.status, made.body]).toEqual([200, made.body]);
    await program.ok('PUT', `/destinations/${made.body.id}`, { ...aws, label: 'aws-2' });
    const rows: { text: string }[] = await program.database.source.query(
      'select audit_event::text as text from audit_event',
    );
    expect(rows.length).toBeGreaterThan(told.length);
    for (const secret of [...secrets, 'PRIVATE KEY'])
      expect(rows.filter(({ text }) => text.includes(secret))).toEqual([]);
  });
});
