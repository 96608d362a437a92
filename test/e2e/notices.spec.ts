import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NoticeView } from '../../src/certificates/notify/notice.schema.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
let server: Server;
/** What the receiver answers, by path. */
const statuses: Record<string, number> = { '/dead': 503, '/living': 204 };
const received: string[] = [];

const list = async (query: string): Promise<NoticeView[]> => (await program.ok('GET', `/notices?${query}`)).items;
const issue = (owner: string, commonName: string): Promise<{ id: number; name: string }> =>
  program.ok('POST', '/certificates', { owner, commonName, authority: { name: 'root' }, validityDays: 90 });
async function subscribe(label: string): Promise<{ channelId: number; subscriptionId: number }> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${label}`;
  const options = { url, secret: 'a secret of more than sixteen bytes' };
  const channel = await program.ok('POST', '/channels', { label, plugin: { id: 'webhook', options } });
  const more = { scope: 'all', events: ['certificate.issued'] };
  const subscription = await program.ok('POST', '/subscriptions', { label, channel: { label }, ...more });
  return { channelId: channel.id, subscriptionId: subscription.id };
}

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      received.push(request.url ?? '');
      response.writeHead(statuses[request.url ?? ''] ?? 500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  program = await startProgram({ ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await program.stop();
  server.close();
});

describe('the ledger of notices', () => {
  it('shows what a dead channel did not send, while another channel sends its own', async () => {
    const [dead, living] = [await subscribe('dead'), await subscribe('living')];
    const certificate = await issue('joe@example.com', 'a.example.com');
    await eventually(async () => (await list(`channelId=${living.channelId}`))[0]?.state === 'sent');
    await eventually(async () => (await list(`channelId=${dead.channelId}`))[0]?.attempts === 1);
    expect(await list('state=due')).toMatchObject([
      {
        event: 'certificate.issued',
        state: 'due',
        certificate: { id: certificate.id, name: certificate.name },
        authority: null,
        subscription: { id: dead.subscriptionId, label: 'dead' },
        channel: { id: dead.channelId, label: 'dead' },
        attempts: 1,
        fault: 'unavailable',
        sentAt: null,
      },
    ]);
    expect(received.filter((path) => path === '/living')).toHaveLength(1);
  });

  it('sends a notice at once when somebody asks, and never one that was sent', async () => {
    const [notice] = await list('state=due');
    const id = notice?.id ?? 0;
    statuses['/dead'] = 204;
    // Not before the sweep would: that waits for the back-off, which has not passed.
    expect(await program.ok('POST', `/notices/${id}/retry`)).toMatchObject({ state: 'due', attempts: 0 });
    await eventually(async () => (await program.ok('GET', `/notices/${id}`)).state === 'sent');
    expect(await list('state=due')).toEqual([]);
    expect((await program.call('POST', `/notices/${id}/retry`)).status).toBe(409);
    const told = `select from audit_event where action = 'notice.retried'`;
    expect(await program.database.source.query(told)).toHaveLength(1);
  });

  it('gives up a notice that was refused for two days, and sends it when somebody asks', async () => {
    statuses['/dead'] = 400;
    await issue('joe@example.com', 'refused.example.com');
    const refused = (): Promise<NoticeView[]> => list('state=dropped');
    let hours = 0;
    await eventually(async () => {
      program.clock.advance(3_600_000);
      hours += 1;
      return (await refused()).length === 1;
    });
    expect(hours).toBeGreaterThanOrEqual(48);
    const [{ id, fault, nextAttemptAt } = { id: 0 }] = await refused();
    expect({ fault, nextAttemptAt }).toEqual({ fault: 'refused', nextAttemptAt: null });
    statuses['/dead'] = 204;
    await program.ok('POST', `/notices/${id}/retry`);
    await eventually(async () => (await program.ok('GET', `/notices/${id}`)).state === 'sent');
  });

  it('shows a user the notices about certificates of their own role, and no others', async () => {
    await program.ok('POST', '/users', { username: 'ann', email: 'ann@example.com', password, roles: [] });
    await program.ok('POST', '/users', {
      username: 'joe',
      email: 'joe@example.com',
      password,
      roles: [{ name: 'joe@example.com' }],
    });
    const [ann, joe] = [await program.login('ann', password), await program.login('joe', password)];
    const [notice] = await list('event=certificate.issued');
    const seen = async (token: string): Promise<unknown[]> => [
      (await program.call('GET', '/notices', undefined, { token })).body.total > 0,
      (await program.call('GET', `/notices/${notice?.id ?? 0}`, undefined, { token })).status,
    ];
    expect([await seen(ann), await seen(joe)]).toEqual([
      [false, 404],
      [true, 200],
    ]);
  });
});
