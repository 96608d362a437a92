import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const password = 'Correct-Horse-2!';
let program: TestProgram;
const issue = (commonName: string, more: object = {}): Promise<{ id: number; labels: string[] }> =>
  program.ok('POST', '/certificates', {
    ...{ owner: 'joe@example.com', commonName, authority: { name: 'root' }, validityDays: 90 },
    ...more,
  });
const found = async (query: string): Promise<string[]> =>
  (await program.ok('GET', `/certificates?${query}`)).items.map(({ cn }: { cn: string }) => cn).sort();
const view = (id: number): Promise<{ labels: string[]; notAfter: string; nextNoticeAt: string }> =>
  program.ok('GET', `/certificates/${id}`);
const subscribe = (label: string, more: object): Promise<{ status: number; body: { id: number } }> =>
  program.call('POST', '/subscriptions', { label, channel: { label: 'ops' }, scope: 'label', ...more });
const warnedDaysBefore = async (id: number): Promise<number> => {
  const { notAfter, nextNoticeAt } = await view(id);
  return (Date.parse(notAfter) - Date.parse(nextNoticeAt)) / dayMs;
};

beforeAll(async () => {
  program = await startProgram({ NOTICE_DAYS: '10' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
  const plugin = { id: 'email', options: { recipients: 'ops@example.com' } };
  await program.ok('POST', '/channels', { label: 'ops', plugin });
});
afterAll(() => program.stop());

describe('labels of a certificate', () => {
  it('are set by a request, changed later, and found in lists in upper or lower case', async () => {
    const { id, labels } = await issue('a.example.com', { labels: [' Web', 'prod', 'PROD'] });
    await issue('b.example.com', { labels: ['web'] });
    await issue('c.example.com');
    expect(labels).toEqual(['prod', 'web']);
    expect(await found('filter=label;WEB')).toEqual(['a.example.com', 'b.example.com']);
    expect(await found('filter=label;we')).toEqual([]);
    await program.ok('PUT', `/certificates/${id}`, { labels: ['dev'] });
    expect([await found('filter=label;web'), await found('filter=label;dev')]).toEqual([
      ['b.example.com'],
      ['a.example.com'],
    ]);
    await program.ok('PUT', `/certificates/${id}`, { description: 'as it was' });
    expect((await view(id)).labels).toEqual(['dev']);
  });

  it.each([[['x'.repeat(65)]], [['']], [Array.from({ length: 21 }, (_, i) => `l${i}`)]])(
    'are refused when they are too long, empty or too many: %j',
    async (labels) => {
      const { status } = await program.call('POST', '/certificates', {
        ...{ owner: 'joe@example.com', commonName: 'd.example.com', authority: { name: 'root' }, validityDays: 90 },
        labels,
      });
      expect(status).toBe(400);
    },
  );

  it('are copied to the successor, and set by an upload', async () => {
    const { id } = await issue('e.example.com', { labels: ['kept'] });
    const successor = await program.ok('POST', `/certificates/${id}/reissue`);
    expect((await view(successor.id)).labels).toEqual(['kept']);
    const { body, chain } = await program.ok('GET', `/certificates/${successor.id}`);
    const other = await startProgram();
    try {
      const upload = { owner: 'joe@example.com', body, chain, labels: ['Uploaded'] };
      expect(await other.ok('POST', '/certificates/upload', upload)).toMatchObject({ labels: ['uploaded'] });
    } finally {
      await other.stop();
    }
  });
});

describe('a subscription to a label', () => {
  it('sends events of the certificates that have the label at that time', async () => {
    expect((await subscribe('revoked', { certificateLabel: 'Heard', events: ['certificate.revoked'] })).status).toBe(
      200,
    );
    const { id: early } = await issue('early.example.com', { labels: ['heard'] });
    const { id: late } = await issue('late.example.com');
    const { id: former } = await issue('former.example.com', { labels: ['heard'] });
    await program.ok('PUT', `/certificates/${late}`, { labels: ['heard', 'more'] });
    await program.ok('PUT', `/certificates/${former}`, { labels: [] });
    for (const id of [early, late, former]) await program.ok('PUT', `/certificates/${id}/revoke`, {});
    const told = (): Promise<string[]> =>
      program.database.source
        .query<{ name: string }[]>(
          `select c.common_name as name from notice n join certificate c on c.id = n.certificate_id
           join subscription s on s.id = n.subscription_id where s.label = 'revoked' and n.state = 'sent' order by 1`,
        )
        .then((rows) => rows.map(({ name }) => name));
    await eventually(async () => (await told()).length === 2);
    expect(await told()).toEqual(['early.example.com', 'late.example.com']);
  });

  it('sets the next notice when certificates get the label, lose it, or have it already', async () => {
    const { id } = await issue('f.example.com', { labels: ['watched'] });
    expect(await warnedDaysBefore(id)).toBe(10);
    const more = { certificateLabel: 'watched', events: ['certificate.expiring'], leads: [25] };
    const { body } = await subscribe('ending', more);
    await eventually(async () => (await warnedDaysBefore(id)) === 25);
    await program.ok('PUT', `/certificates/${id}`, { labels: [] });
    expect(await warnedDaysBefore(id)).toBe(10);
    await program.ok('PUT', `/certificates/${id}`, { labels: ['watched'] });
    expect(await warnedDaysBefore(id)).toBe(25);
    await program.ok('DELETE', `/subscriptions/${body.id}`);
  });

  it('must name a label, and is created by operators only', async () => {
    const events = ['certificate.revoked'];
    expect((await subscribe('nameless', { events })).status).toBe(400);
    expect((await subscribe('misplaced', { events, scope: 'all', certificateLabel: 'x' })).status).toBe(400);
    await program.ok('POST', '/users', { username: 'bob', email: 'bob@example.com', password });
    const token = await program.login('bob', password);
    const request = { label: 'bobs', channel: { label: 'ops' }, scope: 'label', certificateLabel: 'x', events };
    expect((await program.call('POST', '/subscriptions', request, { token })).status).toBe(403);
  });
});
