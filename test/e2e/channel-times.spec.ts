import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NoticeView } from '../../src/certificates/notify/notice.schema.js';
import { ChannelRepository } from '../../src/notifications/channel.repository.js';
import { Database } from '../../src/platform/db/database.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';

let program: TestProgram;

const issue = (owner: string, commonName: string): Promise<{ id: number; name: string }> =>
  program.ok('POST', '/certificates', { owner, commonName, authority: { name: 'root' }, validityDays: 90 });
const channel = (label: string, more: object): Promise<{ id: number }> =>
  program.ok('POST', '/channels', {
    label,
    plugin: { id: 'email', options: { recipients: `${label}@example.com` } },
    ...more,
  });
const subscribe = (label: string, owner: string, events: string[]): Promise<unknown> =>
  program.ok('POST', '/subscriptions', { label, channel: { label }, scope: 'owner', owner, events });
const mailsTo = async (address: string): Promise<{ subject: string; text: string }[]> =>
  (await program.ok('GET', '/mails?count=200')).items.filter(({ to }: { to: string[] }) => to.includes(address));
const of = async (channelId: number): Promise<NoticeView[]> =>
  (await program.ok('GET', `/notices?channelId=${channelId}&count=100`)).items;
/** The time of day in UTC, `minutes` from now. */
const clockAt = (minutes: number): string =>
  new Date(program.clock.now().getTime() + minutes * 60_000).toISOString().slice(11, 16);

beforeAll(async () => {
  program = await startProgram();
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(() => program.stop());

describe('a channel with quiet hours', () => {
  it('sends what happened in them when they end, and what is critical at once', async () => {
    const quietHours = { from: clockAt(-60), to: clockAt(60), timeZone: 'UTC' };
    const { id } = await channel('quiet', { quietHours });
    await subscribe('quiet', 'ann@example.com', ['certificate.issued', 'certificate.expiring']);
    await issue('ann@example.com', 'a.example.com');
    await eventually(async () => (await of(id))[0]?.hold === 'quiet-hours');
    expect(await mailsTo('quiet@example.com')).toEqual([]);
    await issue('ann@example.com', 'b.example.com');
    await eventually(async () => (await of(id)).filter(({ hold }) => hold === 'quiet-hours').length === 2);
    program.clock.advance(62 * 60_000);
    await eventually(async () => (await of(id)).every(({ state }) => state === 'sent'));
    expect((await mailsTo('quiet@example.com')).map(({ subject }) => subject)).toEqual([
      expect.stringMatching(/^[ab]\.example\.com and 1 more: issued$/),
    ]);
    program.clock.advance(89 * dayMs - 62 * 60_000);
    await eventually(async () => (await mailsTo('quiet@example.com')).length === 2);
  });

  it('keeps to the clock on the wall, also on the days on which it is changed (25: UCM#87)', async () => {
    const timeZone = 'Europe/Berlin';
    const { id } = await channel('berlin', { quietHours: { from: '22:00', to: '07:30', timeZone } });
    const { id: noon } = await channel('noon', { quietHours: { from: '12:00', to: '13:00', timeZone } });
    const { id: daily } = await channel('daily', { digest: { at: '08:00', timeZone } });
    const { app } = program.perennial;
    const [db, channels] = [app.get(Database, { strict: false }), app.get(ChannelRepository, { strict: false })];
    const until = async (at: string, of: number): Promise<string | undefined> =>
      (await channels.waitOf(db.single, of, new Date(at), false))?.until.toISOString();
    // The clock goes forward on 29 March 2026 and back on 25 October 2026.
    expect(await until('2026-03-28T20:59:59Z', id)).toBeUndefined();
    expect(await until('2026-03-28T21:00:00Z', id)).toBe('2026-03-29T05:30:00.000Z');
    expect(await until('2026-03-29T05:29:59Z', id)).toBe('2026-03-29T05:30:00.000Z');
    expect(await until('2026-03-29T05:30:00Z', id)).toBeUndefined();
    expect(await until('2026-10-24T20:00:00Z', id)).toBe('2026-10-25T06:30:00.000Z');
    expect(await until('2026-06-01T10:59:59Z', noon)).toBe('2026-06-01T11:00:00.000Z');
    expect(await until('2026-06-01T11:00:00Z', noon)).toBeUndefined();
    expect(await until('2026-06-01T09:59:59Z', noon)).toBeUndefined();
    expect(await until('2026-06-01T06:00:00Z', daily)).toBe('2026-06-02T06:00:00.000Z');
    expect(await until('2026-06-01T05:59:59Z', daily)).toBe('2026-06-01T06:00:00.000Z');
  });

  it.each([
    [{ quietHours: { from: '22:00', to: '7:00', timeZone: 'UTC' } }, 'quietHours.to'],
    [{ quietHours: { from: '22:00', to: '22:00', timeZone: 'UTC' } }, 'quietHours.to'],
    [{ quietHours: { from: '22:00', to: '07:00', timeZone: 'Mars/Olympus' } }, 'quietHours.timeZone'],
    [{ digest: { at: '08:00', timeZone: 'Mars/Olympus' } }, 'digest.timeZone'],
    [
      {
        quietHours: { from: '22:00', to: '07:00', timeZone: 'UTC' },
        digest: { at: '08:00', timeZone: 'UTC' },
      },
      'digest',
    ],
    [
      {
        digest: { at: '08:00', timeZone: 'UTC' },
        plugin: { id: 'pagerduty', options: { routingKey: '0'.repeat(32) } },
      },
      'digest',
    ],
  ])('or a digest is refused as %j', async (more, field) => {
    const body = { label: 'wrong', plugin: { id: 'email', options: { recipients: 'x@example.com' } }, ...more };
    const answer = await program.call('POST', '/channels', body);
    expect([answer.status, Object.keys(answer.body.reasons)]).toEqual([400, [field]]);
  });
});

describe('a subscription to the weekly summary', () => {
  it('gets one every Monday, and only one after an outage of weeks', async () => {
    const { id } = await channel('summary', {});
    await program.ok('POST', '/subscriptions', {
      label: 'summary',
      channel: { id },
      scope: 'owner',
      owner: 'dan@example.com',
      events: ['summary.weekly'],
    });
    for (const name of ['a', 'b']) await issue('dan@example.com', `${name}.dan.example.com`);
    const { id: revoked } = await issue('dan@example.com', 'c.dan.example.com');
    await program.ok('PUT', `/certificates/${revoked}/revoke`, {});
    await issue('eve@example.com', 'a.eve.example.com');
    program.clock.advance(8 * dayMs);
    await eventually(async () => (await of(id)).length === 1 && (await of(id))[0]?.state === 'sent');
    program.clock.advance(60 * dayMs);
    await eventually(async () => (await of(id)).length === 2 && (await of(id)).every(({ state }) => state === 'sent'));
    expect((await mailsTo('summary@example.com')).map(({ subject }) => subject).sort()).toEqual([
      'Weekly summary: 0 of 2 certificates expire within 30 days',
      'Weekly summary: 2 of 2 certificates expire within 30 days',
    ]);
    expect(await of(id)).toMatchObject([
      { event: 'summary.weekly', certificate: null, authority: null },
      { event: 'summary.weekly', certificate: null, authority: null },
    ]);
  });
});

describe('a channel with a digest', () => {
  it('sends one message for each owner about all that happened since the last one', async () => {
    const { id } = await channel('digest', { digest: { at: clockAt(60), timeZone: 'UTC' } });
    for (const owner of ['bea@example.com', 'cid@example.com'])
      await program.ok('POST', '/subscriptions', {
        label: `digest ${owner}`,
        channel: { id },
        scope: 'owner',
        owner,
        events: ['certificate.issued', 'certificate.revoked'],
      });
    const { id: revoked } = await issue('bea@example.com', 'one.bea.example.com');
    await issue('bea@example.com', 'two.bea.example.com');
    await issue('cid@example.com', 'one.cid.example.com');
    await program.ok('PUT', `/certificates/${revoked}/revoke`, {});
    await eventually(async () => (await of(id)).filter(({ hold }) => hold === 'digest').length === 4);
    expect(await mailsTo('digest@example.com')).toEqual([]);

    program.clock.advance(62 * 60_000);
    await eventually(async () => (await of(id)).every(({ state }) => state === 'sent'));
    const mails = await mailsTo('digest@example.com');
    expect(mails.map(({ subject }) => subject).sort()).toEqual([
      'one.bea.example.com and 1 more: issued and 1 more',
      'one.cid.example.com: issued',
    ]);
    const ofBea = mails.find(({ text }) => text.includes('bea'))?.text ?? '';
    expect(ofBea).toMatch(/^2 notices$/m);
    expect(ofBea).toMatch(/^ {2}Notice: A certificate was revoked$/m);
    expect(ofBea).not.toContain('cid');
  });

  it('drops a notice whose event is over by then, and sends the others', async () => {
    const { id } = await channel('over', { digest: { at: clockAt(60), timeZone: 'UTC' } });
    const [{ id: authorityId }] = (await program.ok('GET', '/authorities')).items;
    const { id: subscriptionId } = await program.ok('POST', '/subscriptions', {
      label: 'over',
      channel: { id },
      scope: 'authority',
      authority: { id: authorityId },
      events: ['authority.expiring', 'crl.overdue'],
    });
    // The list that was overdue has been made meanwhile.
    await program.database.source.query(
      `insert into notice
         (authority_id, subscription_id, event, dedupe_key, data, state, hold, next_attempt_at, created_at)
       select $1, $2, event, 'over:' || event, '{}', 'due', 'digest', $3, $3
       from unnest(array['authority.expiring', 'crl.overdue']) as event`,
      [authorityId, subscriptionId, program.clock.now()],
    );
    program.clock.advance(60_000);
    await eventually(async () => (await of(id)).every(({ state }) => state !== 'due'));
    expect((await of(id)).map(({ event, state }) => `${event} ${state}`).sort()).toEqual([
      'authority.expiring sent',
      'crl.overdue dropped',
    ]);
    expect(await mailsTo('over@example.com')).toHaveLength(1);
  });
});
