import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NoticeView } from '../../src/certificates/notify/notice.schema.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { type ReceivedMail, startSmtp, type TestSmtp } from '../support/smtp.js';

let smtp: TestSmtp;
let program: TestProgram;
beforeAll(async () => {
  smtp = await startSmtp();
  program = await startProgram({ SMTP_URL: smtp.url, NOTICE_DAYS: '30' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(async () => {
  await program.stop();
  smtp.close();
});

const issue = (owner: string, commonName: string, labels: string[] = []): Promise<{ id: number }> =>
  program.ok('POST', '/certificates', {
    owner,
    commonName,
    authority: { name: 'root' },
    validityDays: 90,
    ...(labels.length > 0 && { notifications: labels.map((label) => ({ label })) }),
  });
/** A mail channel to these addresses, and a subscription of the same label. */
async function subscribe(
  label: string,
  recipients: string,
  more: object,
  times: object = {},
): Promise<{ channelId: number; subscription: object }> {
  const plugin = { id: 'email', options: { recipients } };
  const { id } = await program.ok('POST', '/channels', { label, plugin, ...times });
  const subscription = { label, channel: { id }, events: ['certificate.expiring'], leads: [30], ...more };
  await program.ok('POST', '/subscriptions', subscription);
  return { channelId: id, subscription };
}
const mailsTo = (address: string, mails = smtp.received): ReceivedMail[] =>
  mails.filter(({ to }) => to.some((one) => one.toLowerCase() === address));
const idOf = ({ raw }: ReceivedMail): string | undefined => /^Message-ID: (.*)\r$/m.exec(raw)?.[1];
const of = async (query: string): Promise<NoticeView[]> =>
  (await program.ok('GET', `/notices?count=200&${query}`)).items;
const allSent = (query: string): Promise<unknown> =>
  eventually(async () => {
    const notices = await of(query);
    return notices.length > 0 && notices.every(({ state }) => state === 'sent');
  });
const clockAt = (minutes: number): string =>
  new Date(program.clock.now().getTime() + minutes * 60_000).toISOString().slice(11, 16);

describe('a message that the mail server does not take', () => {
  it('is the same one message later, whatever it tells of and whatever becomes due meanwhile', async () => {
    const digest = { at: clockAt(60), timeZone: 'UTC' };
    const events = ['certificate.issued', 'certificate.revoked'];
    const { channelId } = await subscribe(
      'together',
      'together@example.com',
      { scope: 'owner', owner: 'ann@example.com', events, leads: undefined },
      { digest },
    );
    for (const name of ['a', 'b', 'c']) {
      const { id } = await issue('ann@example.com', `${name}.ann.example.com`);
      await program.ok('PUT', `/certificates/${id}/revoke`, {});
    }
    await eventually(async () => (await of(`channelId=${channelId}`)).filter(({ hold }) => hold).length === 6);
    smtp.refuseWith(451);
    program.clock.advance(62 * 60_000);
    await eventually(async () => (await of(`channelId=${channelId}`)).every(({ attempts }) => attempts === 1));
    // Notices at the same time, which must not join it.
    await issue('ann@example.com', 'd.ann.example.com');
    await eventually(async () => (await of(`channelId=${channelId}`))[0]?.hold === 'digest');
    smtp.refuseWith(null);
    program.clock.advance(dayMs);
    await allSent(`channelId=${channelId}`);
    const tried = mailsTo('together@example.com', smtp.refused).map(idOf);
    expect(new Set(tried).size).toBe(1);
    expect(mailsTo('together@example.com').map(idOf)).toEqual(expect.arrayContaining([tried[0]]));
    expect(mailsTo('together@example.com')).toHaveLength(2);
  });

  it('is not mailed again to those who have it when another recipient is refused', async () => {
    smtp.refuseTo('gone@example.com');
    const who = { scope: 'owner', owner: 'bob@example.com', events: ['certificate.issued'], leads: undefined };
    const { channelId } = await subscribe('partly', 'here@example.com, gone@example.com', who);
    await issue('bob@example.com', 'partly.example.com');
    await eventually(async () => {
      program.clock.advance(dayMs);
      return (await of(`channelId=${channelId}`))[0]?.state === 'dropped';
    });
    expect(mailsTo('here@example.com')).toHaveLength(1);
    expect((await of(`channelId=${channelId}`))[0]).toMatchObject({ attempts: 5, fault: 'refused' });
  });
});

describe('an address', () => {
  it('gets one mail about one event, also when it is in several channels or owns the certificate', async () => {
    await subscribe('first', 'cid@example.com, first@example.com', { leads: [30, 20] });
    await subscribe('second', 'CID@example.com, second@example.com', { leads: [30] });
    await subscribe('third', 'third@example.com', { leads: [30] });
    const { id: own } = await issue('cid@example.com', 'own.cid.example.com', ['first', 'second', 'third']);
    const { id: other } = await issue('dan@example.com', 'dan.example.com', ['second', 'third']);
    program.clock.advance(61 * dayMs);
    const told = (): [string, number, number][] =>
      ['cid', 'first', 'second', 'third', 'dan'].map((name) => {
        const texts = mailsTo(`${name}@example.com`).map(({ raw }) => raw);
        const about = (cn: string): number => texts.filter((raw) => raw.includes(`${cn}.example.com-`)).length;
        return [name, about('own.cid'), about('dan')];
      });
    // Certificates of other tests may have been warned of before.
    await eventually(async () => told().reduce((sum, [, first, second]) => sum + first + second, 0) >= 8);
    for (const id of [own, other]) await allSent(`certificateId=${id}`);
    expect(told()).toEqual([
      ['cid', 1, 1],
      ['first', 1, 0],
      ['second', 1, 1],
      ['third', 1, 1],
      ['dan', 0, 1],
    ]);
    program.clock.advance(10 * dayMs);
    await eventually(async () => mailsTo('first@example.com').length === 2);
  });
});

describe('a notice that waits', () => {
  const digest = (): object => ({ digest: { at: clockAt(60), timeZone: 'UTC' } });
  const held = (channelId: number, hold: string): Promise<unknown> =>
    eventually(async () => (await of(`channelId=${channelId}`))[0]?.hold === hold);

  it('waits on while its channel or its subscription is switched off, and is sent when they are on again', async () => {
    const more = { scope: 'owner', owner: 'eve@example.com' };
    const times = digest();
    const { channelId, subscription } = await subscribe('paused', 'paused@example.com', more, times);
    await issue('eve@example.com', 'eve.example.com');
    program.clock.advance(61 * dayMs);
    await held(channelId, 'digest');
    const plugin = { id: 'email', options: { recipients: 'paused@example.com' } };
    const change = (active: boolean): Promise<unknown> =>
      program.ok('PUT', `/channels/${channelId}`, { label: 'paused', active, plugin, ...times });
    await change(false);
    program.clock.advance(dayMs);
    await held(channelId, 'paused');
    const [{ id }] = (await program.ok('GET', '/subscriptions?filter=label;paused')).items;
    await program.ok('PUT', `/subscriptions/${id}`, { ...subscription, active: false });
    await change(true);
    program.clock.advance(dayMs);
    await held(channelId, 'paused');
    expect(mailsTo('paused@example.com')).toEqual([]);
    await program.ok('PUT', `/subscriptions/${id}`, { ...subscription, active: true });
    await held(channelId, 'digest');
    program.clock.advance(dayMs);
    await allSent(`channelId=${channelId}`);
    expect(mailsTo('paused@example.com')).toHaveLength(1);
  });

  it('does not tell a former owner, and tells the owner again who gets the certificate back', async () => {
    const more = { scope: 'owner', owner: 'fay@example.com' };
    const { channelId } = await subscribe('former', 'former@example.com', more, digest());
    const { id } = await issue('fay@example.com', 'fay.example.com');
    program.clock.advance(61 * dayMs);
    await held(channelId, 'digest');
    await program.ok('PUT', `/certificates/${id}`, { owner: 'gus@example.com' });
    program.clock.advance(dayMs);
    await eventually(async () => (await of(`channelId=${channelId}`))[0]?.state === 'dropped');
    expect(mailsTo('former@example.com')).toEqual([]);
    await program.ok('PUT', `/certificates/${id}`, { owner: 'fay@example.com' });
    await held(channelId, 'digest');
    program.clock.advance(dayMs);
    await allSent(`channelId=${channelId}`);
    expect(mailsTo('former@example.com')).toHaveLength(1);
  });

  it('is sent although no message can be written of another one of its digest', async () => {
    const more = { scope: 'owner', owner: 'ivy@example.com', events: ['certificate.issued'], leads: undefined };
    const { channelId } = await subscribe('broken', 'broken@example.com', more, digest());
    const { id } = await issue('ivy@example.com', 'ivy.example.com');
    await held(channelId, 'digest');
    // Its facts are gone, which no request can bring about.
    await program.database.source.query(
      `insert into notice (certificate_id, subscription_id, event, dedupe_key, data, state, hold, next_attempt_at,
         created_at)
       select $1, subscription_id, 'withdrawal.given-up', 'broken', '{"withdrawalId": 2147483647}', state, hold,
         next_attempt_at, created_at from notice where certificate_id = $1`,
      [id],
    );
    program.clock.advance(dayMs);
    const ofEvents = async (): Promise<string[]> =>
      (await of(`channelId=${channelId}`)).map(({ event, state, fault }) => `${event} ${state} ${fault ?? ''}`).sort();
    await eventually(async () => (await ofEvents())[0] === 'certificate.issued sent ');
    expect(await ofEvents()).toEqual(['certificate.issued sent ', 'withdrawal.given-up due internal']);
    expect(mailsTo('broken@example.com').map(({ subject }) => subject)).toEqual(['ivy.example.com: issued']);
  });

  it('is shown with all others of its message by the preview of its channel', async () => {
    const more = { scope: 'owner', owner: 'hal@example.com' };
    const { channelId } = await subscribe('shown', 'shown@example.com', more, digest());
    await issue('hal@example.com', 'one.hal.example.com');
    await issue('hal@example.com', 'two.hal.example.com');
    const warning = await program.ok('GET', `/channels/${channelId}/preview`);
    program.clock.advance(61 * dayMs);
    await eventually(async () => (await of(`channelId=${channelId}`)).filter(({ hold }) => hold).length === 2);
    const preview = await program.ok('GET', `/channels/${channelId}/preview`);
    program.clock.advance(2 * 3_600_000);
    await allSent(`channelId=${channelId}`);
    const [mail] = mailsTo('shown@example.com');
    expect([preview.from, preview.subject, preview.mailTo]).toEqual(['notice', mail?.subject, mail?.to]);
    expect(preview.text).toMatch(/one\.hal[\s\S]*two\.hal/);
    expect([warning.from, warning.mailTo]).toEqual(['warning', mail?.to]);
  });
});
