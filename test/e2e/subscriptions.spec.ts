import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  json: { type: string; data: Record<string, unknown> & { certificates?: { name: string }[] } };
}

const password = 'Correct-Horse-2!';
const secret = 'a secret of more than sixteen bytes';
let program: TestProgram;
let server: Server;
let url: string;
let status = 204;
const received: Received[] = [];
const events = (): string[] => received.map(({ json }) => json.type);
const got = (count: number): Promise<boolean> => eventually(async () => received.length >= count);

const hook = (label: string, more: object = {}): Promise<{ id: number }> =>
  program.ok('POST', '/channels', { label, plugin: { id: 'webhook', options: { url, secret } }, ...more });
const subscribe = (label: string, more: object): Promise<{ id: number }> =>
  program.ok('POST', '/subscriptions', { label, channel: { label: 'hook' }, ...more });
const issue = (owner: string, commonName: string, more: object = {}): Promise<{ id: number; name: string }> =>
  program.ok('POST', '/certificates', { owner, commonName, authority: { name: 'root' }, validityDays: 90, ...more });
const mailsTo = async (address: string): Promise<{ subject: string }[]> =>
  (await program.ok('GET', '/mails?count=200')).items.filter(({ to }: { to: string[] }) => to.includes(address));
const labels = async (id: number): Promise<string[]> =>
  (await program.ok('GET', `/certificates/${id}/notifications`)).items
    .map(({ label }: { label: string }) => label)
    .sort();

async function signUp(username: string, ...roles: string[]): Promise<string> {
  const names = roles.map((name) => ({ name }));
  await program.ok('POST', '/users', { username, email: `${username}@example.com`, password, roles: names });
  return program.login(username, password);
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      received.push({ headers: request.headers, body, json: JSON.parse(body) as Received['json'] });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  program = await startProgram({ NOTICE_DAYS: '10,2', ALLOWED_PRIVATE_HOSTS: '127.0.0.1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  await hook('hook');
});
afterAll(async () => {
  await program.stop();
  server.close();
});

describe('a channel', () => {
  it('shows neither its secret nor a lead, and shows to which addresses it sends mail', async () => {
    const made = await program.ok('GET', '/channels?filter=label;hook');
    expect(JSON.stringify(made)).not.toContain(secret);
    expect(made.items).toMatchObject([
      { label: 'hook', recipients: null, origin: 'person', plugin: { options: { url }, secretsSet: ['secret'] } },
    ]);
    const names = made.items[0].plugin.pluginOptions.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['url', 'secret']);
    const mail = { id: 'email', options: { recipients: 'Ops@example.com', interval: 3 } };
    expect((await program.call('POST', '/channels', { label: 'ops', plugin: mail })).status).toBe(400);
    expect(
      await program.ok('POST', '/channels', {
        label: 'ops',
        plugin: { id: 'email', options: { recipients: 'Ops@example.com' } },
      }),
    ).toMatchObject({ recipients: ['ops@example.com'] });
  });

  it('sends a test message, and says why one did not arrive', async () => {
    const { id } = await hook('tried');
    expect(await program.ok('POST', `/channels/${id}/test`)).toEqual({ ok: true, fault: null, detail: null });
    expect(events()).toEqual(['notification.test']);
    status = 404;
    expect(await program.ok('POST', `/channels/${id}/test`)).toMatchObject({ ok: false, fault: 'misconfigured' });
    status = 204;
    received.splice(0);
  });

  it('is created by operators alone unless it sends mail, and changed by its creator', async () => {
    const bob = await signUp('bob');
    const plugin = { id: 'webhook', options: { url, secret } };
    expect((await program.call('POST', '/channels', { label: 'bobs', plugin }, { token: bob })).status).toBe(403);
    expect((await program.call('POST', '/notifications', { label: 'bobs', plugin }, { token: bob })).status).toBe(403);
    const mail = { label: 'bobs', plugin: { id: 'email', options: { recipients: 'bob@example.com' } } };
    const { body } = await program.call('POST', '/channels', mail, { token: bob });
    const change = { ...mail, description: 'mine' };
    expect((await program.call('PUT', `/channels/${body.id}`, change, { token: bob })).status).toBe(200);
    const { id } = await hook('admins');
    expect((await program.call('DELETE', `/channels/${id}`, undefined, { token: bob })).status).toBe(403);
  });

  it('stays while a subscription uses it', async () => {
    const { id } = await hook('used');
    const subscription = await subscribe('user', { channel: { id }, events: ['certificate.revoked'] });
    expect((await program.call('DELETE', `/channels/${id}`)).status).toBe(409);
    await program.ok('DELETE', `/subscriptions/${subscription.id}`);
    expect(await program.ok('DELETE', `/channels/${id}`)).toEqual({ result: true });
  });
});

describe('a subscription', () => {
  it('sends each event of its owner once, with a signature that can be verified', async () => {
    const { id } = await subscribe('joes', {
      scope: 'owner',
      owner: 'Joe@example.com',
      events: ['certificate.issued', 'certificate.revoked'],
    });
    expect(await program.ok('GET', `/subscriptions/${id}`)).toMatchObject({ owner: 'joe@example.com', leads: [] });
    expect((await program.call('GET', `/notifications/${id}`)).status).toBe(404);
    await issue('ann@example.com', 'anns.example.com');
    const { id: certificate, name } = await issue('joe@example.com', 'joes.example.com');
    await got(1);
    await program.ok('PUT', `/certificates/${certificate}/revoke`, {});
    await got(2);
    expect(events()).toEqual(['certificate.issued', 'certificate.revoked']);
    expect(received[0]?.json.data.certificates).toMatchObject([{ id: certificate, name }]);
    const { headers, body } = received[0] as Received;
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', secret).update(signed).digest('base64')}`);
    const [mail, ...others] = await eventually(async () => {
      const mails = await mailsTo('joe@example.com');
      return mails.length > 0 && mails;
    });
    expect([mail?.subject, others]).toEqual(['joes.example.com: revoked', []]);
    await program.ok('DELETE', `/subscriptions/${id}`);
  });

  it('sends a notice that did not arrive again, under the same id', async () => {
    received.splice(0);
    const { id } = await subscribe('alls', { scope: 'all', events: ['certificate.issued'] });
    status = 503;
    await issue('joe@example.com', 'retried.example.com');
    await got(1);
    const failed = (): Promise<unknown[]> =>
      program.database.source.query(
        `select 1 from notice where state = 'due' and attempts = 1 and fault = 'unavailable'`,
      );
    await eventually(async () => (await failed()).length === 1);
    status = 204;
    program.clock.advance(60_000);
    await got(2);
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await program.ok('DELETE', `/subscriptions/${id}`);
  });

  it('shows unsent what its channel sends next: a notice that is due, a warning, or a test message', async () => {
    received.splice(0);
    const channel = await hook('seen');
    const preview = (): Promise<Record<string, unknown>> => program.ok('GET', `/channels/${channel.id}/preview`);
    const { host } = new URL(url);
    expect(await preview()).toMatchObject({ from: 'test', event: 'notification.test', requests: [{ host }] });
    const { id } = await subscribe('seen', {
      channel: { id: channel.id },
      scope: 'owner',
      owner: 'sue@example.com',
      events: ['certificate.issued', 'certificate.expiring'],
      leads: [20],
    });
    status = 503;
    const { name } = await issue('sue@example.com', 'seen.example.com');
    await got(1);
    await eventually(async () => (await preview()).event === 'certificate.issued');
    const before = received.length;
    expect(await preview()).toMatchObject({
      from: 'notice',
      subject: 'seen.example.com: issued',
      fault: null,
      requests: [{ method: 'POST', host, body: expect.stringContaining(name) }],
    });
    expect(received).toHaveLength(before);
    status = 204;
    program.clock.advance(60_000);
    await eventually(async () => (await preview()).from === 'warning');
    const warning = await preview();
    expect(warning).toMatchObject({ event: 'certificate.expiring', mailTo: null });
    expect(warning.subject).toMatch(/^seen\.example\.com expires in \d+ days$/);
    const bob = await program.login('bob', password);
    const asked = await program.call('GET', `/channels/${channel.id}/preview`, undefined, { token: bob });
    expect(asked.status).toBe(403);
    await program.ok('DELETE', `/subscriptions/${id}`);
  });

  it('of a channel for people on call is refused events that are no problem', async () => {
    const plugin = { id: 'pagerduty', options: { routingKey: '0'.repeat(32) } };
    const { id } = await program.ok('POST', '/channels', { label: 'on call', plugin });
    const asked = (events: string[]): Promise<{ status: number; body: { reasons: object } }> =>
      program.call('POST', '/subscriptions', { label: 'on call', channel: { id }, events });
    const refused = await asked(['certificate.issued']);
    expect([refused.status, Object.keys(refused.body.reasons)]).toEqual([400, ['events']]);
    expect((await asked(['certificate.revoked', 'certificate.rotated'])).status).toBe(200);
    // Of the events of another channel, only problems are told to it, when nobody acts.
    const escalates = {
      label: 'escalates to on call',
      channel: { label: 'hook' },
      events: ['certificate.issued', 'certificate.expiring'],
      escalation: { afterDays: 2, channel: { id } },
    };
    const { channel } = await program.ok('POST', '/subscriptions', escalates);
    const changed = await program.call('PUT', `/channels/${channel.id}`, { label: 'hook', plugin });
    expect([changed.status, changed.body.reasons]).toEqual([
      400,
      {
        plugin: [
          expect.stringMatching(/^pagerduty does not support certificate\.\w+, of which a subscription hears\.$/),
        ],
      },
    ]);
  });

  it('of an authority warns once for each lead before a certificate expires, and owners are warned too', async () => {
    received.splice(0);
    const { id } = await subscribe('ends', {
      scope: 'authority',
      authority: { name: 'root' },
      events: ['certificate.expiring'],
      leads: [5, 40],
    });
    const { name } = await issue('eve@example.com', 'ends.example.com');
    const told = (): number => received.filter(({ body }) => body.includes(name)).length;
    expect(await program.ok('GET', `/notifications/${id}`)).toMatchObject({
      plugin: { options: { interval: 40, unit: 'days', url } },
    });
    program.clock.advance(51 * dayMs);
    await eventually(async () => told() === 1);
    expect(await mailsTo('eve@example.com')).toEqual([]);
    program.clock.advance(35 * dayMs);
    await eventually(async () => told() === 2);
    await eventually(async () => (await mailsTo('eve@example.com')).length === 1);
    await program.ok('DELETE', `/subscriptions/${id}`);
  });

  it('that sends no mail leaves the mail warnings to the owner in force', async () => {
    const { id } = await subscribe('machine', { events: ['certificate.expiring'], leads: [20] });
    const usual = [10, 2].map((days) => `DEFAULT_KIM@EXAMPLE.COM_${days}_DAY`);
    const { id: made } = await issue('kim@example.com', 'kims.example.com', { notifications: [{ id }] });
    expect(await labels(made)).toEqual([...usual, 'machine'].sort());
    const mail = await program.ok('POST', '/channels', {
      label: 'kim',
      plugin: { id: 'email', options: { recipients: 'kim@example.com' } },
    });
    const { id: other } = await subscribe('mails', { channel: { id: mail.id }, events: ['certificate.expiring'] });
    const { id: second } = await issue('kim@example.com', 'kims2.example.com', { notifications: [{ id: other }] });
    expect(await labels(second)).toEqual(['mails']);
    await program.ok('PUT', `/channels/${mail.id}`, {
      label: 'kim',
      active: false,
      plugin: { id: 'email', options: { recipients: 'kim@example.com' } },
    });
    expect(await labels(second)).toEqual([...usual, 'mails'].sort());
  });

  it("that sends mail to the owner replaces the owner's own mail about the same event", async () => {
    const mail = await program.ok('POST', '/channels', {
      label: 'team',
      plugin: { id: 'email', options: { recipients: 'lea@example.com, team@example.com' } },
    });
    const more = { scope: 'owner', owner: 'lea@example.com', events: ['certificate.revoked'] };
    await subscribe('team', { channel: { id: mail.id }, ...more });
    const { id } = await issue('lea@example.com', 'leas.example.com');
    await program.ok('PUT', `/certificates/${id}/revoke`, {});
    await eventually(async () => (await mailsTo('team@example.com')).length === 1);
    const notices = `select 1 from notice where certificate_id = ${id} and event = 'certificate.revoked'`;
    expect(await program.database.source.query(notices)).toHaveLength(1);
    expect(await mailsTo('lea@example.com')).toHaveLength(1);
  });

  it('sends a message when an authority expires soon', async () => {
    received.splice(0);
    await subscribe('authorities', { scope: 'all', events: ['authority.expiring'] });
    await program.ok('POST', '/authorities', {
      name: 'short',
      owner: 'pki@example.com',
      commonName: 'Short',
      validityDays: 20,
    });
    program.clock.advance(16 * dayMs);
    await eventually(async () => events().includes('authority.expiring'));
    expect(received.find(({ json }) => json.type === 'authority.expiring')?.json.data.authority).toMatchObject({
      name: 'short',
    });
  });

  it('is refused for certificates, owners and authorities to which the user has no right', async () => {
    const ann = await signUp('ann', 'ann@example.com');
    const { id: others } = await issue('joe@example.com', 'others.example.com');
    const { id: own } = await issue('ann@example.com', 'own.example.com');
    const asked = (label: string, more: object): Promise<{ status: number }> =>
      program.call(
        'POST',
        '/subscriptions',
        { label, channel: { label: 'hook' }, events: ['certificate.revoked'], ...more },
        { token: ann },
      );
    expect((await asked('a', { scope: 'all' })).status).toBe(403);
    expect((await asked('b', { scope: 'authority', authority: { name: 'root' } })).status).toBe(403);
    expect((await asked('c', { scope: 'owner', owner: 'joe@example.com' })).status).toBe(403);
    expect((await asked('d', { certificates: [{ id: others }] })).status).toBe(403);
    expect((await asked('e', { scope: 'owner', owner: 'ann@example.com' })).status).toBe(200);
    expect((await asked('f', { certificates: [{ id: own }] })).status).toBe(200);
  });

  it.each([
    ['minutes', 43_200],
    ['hours', 720],
    ['days', 30],
    ['weeks', 4],
    ['months', 1],
  ])('has a default lead in whole %s', async (leadUnit, lead) => {
    const { id } = await subscribe(`default in ${leadUnit}`, { events: ['certificate.expiring'], leadUnit });
    expect(await program.ok('GET', `/subscriptions/${id}`)).toMatchObject({ leads: [lead], leadUnit });
  });

  it.each([
    [{ events: [] }, 'events'],
    [{ events: ['certificate.eaten'] }, 'events.0'],
    [{ events: ['certificate.revoked'], leads: [3] }, 'leads'],
    [{ events: ['certificate.expiring'], leads: [53], leadUnit: 'weeks' }, 'leads'],
    [{ events: ['certificate.revoked'], scope: 'owner' }, 'owner'],
    [{ events: ['certificate.revoked'], scope: 'all', certificates: [{ id: 1 }] }, 'certificates'],
    [{ events: ['certificate.revoked'], channel: { label: 'nowhere' } }, 'channel'],
    [{ events: ['certificate.revoked'], label: 'DEFAULT_X_2_DAY' }, 'label'],
  ])('refuses %j', async (more, field) => {
    const { status: answer, body } = await program.call('POST', '/subscriptions', {
      label: 'wrong',
      channel: { label: 'hook' },
      ...more,
    });
    expect([answer, Object.keys(body.reasons)]).toEqual([400, [field]]);
  });
});
