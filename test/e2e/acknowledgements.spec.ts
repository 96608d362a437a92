import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NoticeView } from '../../src/certificates/notify/notice.schema.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

const password = 'Correct-Horse-2!';
const event = 'certificate.expiring';
let program: TestProgram;

const issue = (owner: string, commonName: string): Promise<{ id: number; notAfter: string }> =>
  program.ok('POST', '/certificates', { owner, commonName, authority: { name: 'root' }, validityDays: 90 });
const notices = async (id: number): Promise<NoticeView[]> =>
  (await program.ok('GET', `/notices?certificateId=${id}&event=${event}`)).items;
const path = (id: number, of: string = event): string => `/certificates/${id}/acknowledgements/${of}`;
const mailsTo = async (address: string): Promise<{ subject: string; text: string }[]> =>
  (await program.ok('GET', '/mails?count=200')).items.filter(({ to }: { to: string[] }) => to.includes(address));
const isSent = ({ state }: NoticeView): boolean => state === 'sent';
/** So long before its end that two days of its lifetime are left. */
const lastChance = ({ notAfter }: { notAfter: string }): number => Date.parse(notAfter) - 2 * dayMs;

beforeAll(async () => {
  program = await startProgram({ NOTICE_DAYS: '30,15,1' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(() => program.stop());

describe('an acknowledgement', () => {
  it('lets the notices of its event wait, until the last two days before the certificate expires', async () => {
    const { id, notAfter } = await issue('ann@example.com', 'waits.example.com');
    const made = await program.ok('PUT', path(id), { reason: 'The service is switched off in May.' });
    expect(made).toMatchObject({ event, reason: 'The service is switched off in May.', username: 'admin' });
    expect(Date.parse(made.until)).toBe(lastChance({ notAfter }));
    expect(await program.ok('GET', `/certificates/${id}/acknowledgements`)).toEqual({ items: [made], total: 1 });

    program.clock.advance(61 * dayMs);
    await eventually(async () => (await notices(id)).some(({ hold }) => hold === 'acknowledged'));
    expect(await notices(id)).toMatchObject([{ state: 'due', nextAttemptAt: made.until, attempts: 0 }]);
    program.clock.advance(20 * dayMs);
    await eventually(async () => (await notices(id)).filter(({ hold }) => hold === 'acknowledged').length === 2);
    expect(await mailsTo('ann@example.com')).toEqual([]);

    program.clock.advance(7 * dayMs);
    await eventually(async () => (await notices(id)).filter(({ state }) => state === 'sent').length === 2);
    // All that waited is one message.
    expect((await mailsTo('ann@example.com')).map(({ subject }) => subject)).toEqual([
      expect.stringMatching(/^waits\.example\.com expires in (1 day|2 days|\d+ hours)$/),
    ]);
  });

  it('that ends early sends at once what waited', async () => {
    const { id } = await issue('bea@example.com', 'ended.example.com');
    const until = new Date(program.clock.now().getTime() + 80 * dayMs).toISOString();
    await program.ok('PUT', path(id), { reason: 'Mine.', until });
    program.clock.advance(61 * dayMs);
    await eventually(async () => (await notices(id)).some(({ hold }) => hold === 'acknowledged'));
    expect((await program.call('POST', `/notices/${(await notices(id))[0]?.id ?? 0}/retry`)).status).toBe(409);
    expect(await program.ok('DELETE', path(id))).toEqual({ result: true });
    await eventually(async () => (await mailsTo('bea@example.com')).length === 1);
    await eventually(async () => (await notices(id))[0]?.state === 'sent');
    expect(await notices(id)).toMatchObject([{ hold: null }]);
    expect((await program.call('DELETE', path(id))).status).toBe(404);
    const told = `select action from audit_event where target_id = '${id}' and action like '%acknowledged' order by id`;
    expect(await program.database.source.query(told)).toEqual([
      { action: 'certificate.acknowledged' },
      { action: 'certificate.unacknowledged' },
    ]);
  });

  it('that replaces another one decides alone until when what waits already waits', async () => {
    const { id } = await issue('dee@example.com', 'sooner.example.com');
    await program.ok('PUT', path(id), { reason: 'Mine.' });
    program.clock.advance(61 * dayMs);
    await eventually(async () => (await notices(id)).some(({ hold }) => hold === 'acknowledged'));
    const until = new Date(program.clock.now().getTime() + dayMs).toISOString();
    const sooner = await program.ok('PUT', path(id), { reason: 'Tomorrow.', until });
    expect((await notices(id))[0]).toMatchObject({ hold: 'acknowledged', nextAttemptAt: sooner.until });
    program.clock.advance(dayMs + 60_000);
    await eventually(async () => (await notices(id)).every(isSent));
    expect(await mailsTo('dee@example.com')).toHaveLength(1);
  });

  it('leaves the notices of other certificates and other events as they are', async () => {
    const [{ id }, other] = [await issue('cid@example.com', 'a.example.com'), await issue('cid@example.com', 'b.test')];
    await program.ok('PUT', path(id, 'delivery.failing'), { reason: 'The load balancer is being replaced.' });
    await program.ok('PUT', path(other.id), { reason: 'Known.' });
    program.clock.advance(61 * dayMs);
    await eventually(async () => (await notices(id))[0]?.state === 'sent');
    await eventually(async () => (await notices(other.id))[0]?.hold === 'acknowledged');
    expect(await mailsTo('cid@example.com')).toHaveLength(1);
  });

  it('is refused for the last two days, for the past, and for an event that is no problem', async () => {
    const certificate = await issue('dan@example.com', 'refused.example.com');
    const { id } = certificate;
    const asked = async (of: string, until?: number): Promise<unknown[]> => {
      const body = { reason: 'x', ...(until !== undefined && { until: new Date(until).toISOString() }) };
      const answer = await program.call('PUT', path(id, of), body);
      return [answer.status, Object.keys(answer.body.reasons ?? {})];
    };
    expect(await asked(event, lastChance(certificate) + 1000)).toEqual([400, ['until']]);
    expect(await asked(event, program.clock.now().getTime() - 1000)).toEqual([400, ['until']]);
    expect(await asked('certificate.revoked')).toEqual([400, ['event']]);
    program.clock.advance(89 * dayMs);
    expect(await asked(event)).toEqual([409, []]);
  });

  it('is given by those who may change the certificate, and by nobody else', async () => {
    const { id } = await issue('eve@example.com', 'rights.example.com');
    const users = { username: 'stranger', email: 'stranger@example.com', password, roles: [] };
    await program.ok('POST', '/users', users);
    const token = await program.login('stranger', password);
    expect((await program.call('PUT', path(id), { reason: 'x' }, { token })).status).toBe(403);
    expect((await program.call('GET', `/certificates/${id}/acknowledgements`, undefined, { token })).body.total).toBe(
      0,
    );
  });
});

describe('an escalation', () => {
  it('tells another channel once when nobody acted, and not when somebody did', async () => {
    const mail = (label: string): Promise<{ id: number }> =>
      program.ok('POST', '/channels', {
        label,
        plugin: { id: 'email', options: { recipients: `${label}@example.com` } },
      });
    const { id: team } = await mail('team');
    const { id: boss } = await mail('boss');
    const request = {
      label: 'team',
      channel: { label: 'team' },
      scope: 'owner',
      owner: 'fay@example.com',
      leads: [30],
    };
    const escalation = { afterDays: 5, channel: { label: 'boss' } };
    const made = await program.ok('POST', '/subscriptions', { ...request, events: [event], escalation });
    expect(made.escalation).toEqual({ afterDays: 5, channel: { id: boss, label: 'boss' } });
    expect((await program.call('DELETE', `/channels/${boss}`)).status).toBe(409);

    const names = ['left', 'acknowledged', 'revoked'];
    const ids: number[] = [];
    for (const name of names) ids.push((await issue('fay@example.com', `${name}.fay.example.com`)).id);
    const [, acknowledged = 0, revoked = 0] = ids;
    program.clock.advance(61 * dayMs);
    await eventually(
      async () => (await program.ok('GET', `/notices?channelId=${team}`)).items.filter(isSent).length === names.length,
    );
    await program.ok('PUT', path(acknowledged), { reason: 'Mine.' });
    await program.ok('PUT', `/certificates/${revoked}/revoke`, {});
    program.clock.advance(6 * dayMs);
    await eventually(async () => (await mailsTo('boss@example.com')).length > 0);
    const [told] = await mailsTo('boss@example.com');
    expect(told?.subject).toMatch(/^No action yet: left\.fay\.example\.com expires in 2\d days$/);
    expect(told?.text).toMatch(/^Nobody has acted since .* UTC, when the channel team was told\.$/m);

    program.clock.advance(6 * dayMs);
    const escalations = async (): Promise<[number, string, string | null][]> =>
      (await program.ok('GET', `/notices?channelId=${boss}&sortBy=id&sortDir=asc`)).items.map(
        ({ certificate, state, hold }: NoticeView) => [certificate?.id ?? 0, state, hold],
      );
    await eventually(async () => (await escalations()).length === 3);
    const sorted = (await escalations()).sort(([a], [b]) => a - b);
    expect(sorted).toEqual([
      [ids[0], 'sent', null],
      [acknowledged, 'due', 'acknowledged'],
      [revoked, 'dropped', null],
    ]);
    expect(await mailsTo('boss@example.com')).toHaveLength(1);
  });
});
