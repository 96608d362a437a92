import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../support/json.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs } from '../support/requests.js';
import { sweptTwice } from '../support/sweeps.js';

const password = 'Correct-Horse-2!';
const layout = { productName: 'Example PKI', subjectPrefix: '[PKI]', footer: 'Questions: pki@example.com' };
let program: TestProgram;

const issue = (owner: string, commonName: string): Promise<Json> =>
  program.ok('POST', '/certificates', { owner, commonName, authority: { name: 'root' }, validityDays: 90 });
const revoke = ({ id }: Json): Promise<Json> => program.ok('PUT', `/certificates/${id}/revoke`, {});
const mailsTo = async (address: string, about: string): Promise<Json[]> =>
  (await program.ok('GET', '/mails?count=200')).items.filter(
    ({ to, subject }: Json) => to.includes(address) && subject.includes(about),
  );
const mailTo = async (address: string, about: string): Promise<Json> =>
  eventually(async () => (await mailsTo(address, about))[0]);

beforeAll(async () => {
  program = await startProgram({ SECURITY_TEAM_EMAIL: 'security@example.com', NOTICE_DAYS: '40' });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Root' });
});
afterAll(() => program.stop());

describe('the weekly summary of the security team', () => {
  const summaries = async (): Promise<string[]> =>
    (await mailsTo('security@example.com', 'Weekly summary')).map(({ subject }) => subject);
  const tick = (): Promise<void> => sweptTwice(program, 'weekly-summaries');

  it('comes every Monday without any subscription, but not of the weeks before the first certificate', async () => {
    await tick();
    expect(await summaries()).toEqual([]);
    await issue('ann@example.com', 'a.example.com');
    await tick();
    expect(await summaries()).toEqual([]);
    program.clock.advance(8 * dayMs);
    await eventually(async () => (await summaries()).length === 1);
    await tick();
    expect(await summaries()).toEqual(['Weekly summary: 0 of 1 certificate expires within 30 days']);
  });

  it('comes once after an outage of weeks, and not besides a subscription that sends it to the team', async () => {
    program.clock.advance(21 * dayMs);
    await eventually(async () => (await summaries()).length === 2);
    await tick();
    expect((await summaries()).length).toBe(2);
    const options = { recipients: 'security@example.com,others@example.com' };
    const { id } = await program.ok('POST', '/channels', { label: 'team', plugin: { id: 'email', options } });
    const all = { label: 'team', channel: { id }, scope: 'all', events: ['summary.weekly'] };
    await program.ok('POST', '/subscriptions', all);
    program.clock.advance(7 * dayMs);
    await mailTo('others@example.com', 'Weekly summary');
    await tick();
    expect((await mailsTo('security@example.com', 'Weekly summary')).map(({ to }) => to.length).sort()).toEqual([
      1, 1, 2,
    ]);
  });
});

describe('the layout of the installation', () => {
  it('is in the mail of owners, with and without a channel, and in that of channels that leave it open', async () => {
    expect(await program.ok('GET', '/notice-layout')).toEqual({});
    expect(await program.ok('PUT', '/notice-layout', layout)).toEqual(layout);
    expect(await program.ok('GET', '/notice-layout')).toEqual(layout);
    for (const [label, own] of [
      ['plain', null],
      ['own', { subjectPrefix: '[own]' }],
    ] as const) {
      const plugin = { id: 'email', options: { recipients: `${label}@example.com` } };
      await program.ok('POST', '/channels', { label, plugin, layout: own });
      const heard = { channel: { label }, scope: 'owner', owner: 'bob@example.com', events: ['certificate.revoked'] };
      await program.ok('POST', '/subscriptions', { label, ...heard });
    }
    const certificate = await issue('bob@example.com', 'bob.example.com');
    program.clock.advance(51 * dayMs);
    // By the default subscription, whose channel the program has made.
    const warning = await mailTo('bob@example.com', 'bob.example.com expires');
    await revoke(certificate);
    const revoked = await mailTo('bob@example.com', 'revoked');
    const mails = [warning, revoked, await mailTo('plain@example.com', 'revoked')];
    for (const { subject, text, html } of mails) {
      expect(subject).toMatch(/^\[PKI\] bob\.example\.com/);
      for (const part of [text, html]) {
        expect(part).toContain('Questions: pki@example.com');
        expect(part).not.toContain('Perennial');
      }
    }
    const own = await mailTo('own@example.com', 'revoked');
    expect(own.subject).toBe('[own] bob.example.com: revoked');
    expect(own.text).toContain('Questions: pki@example.com');
  });

  it('is shown with the mail to an owner that is sent next, else with a test', async () => {
    const preview = (): Promise<Json> => program.ok('GET', '/notice-layout/preview');
    // A mail that can be read is recorded as sent a moment later.
    const test = await eventually(async () => {
      const shown = await preview();
      return shown.from === 'test' && shown;
    });
    expect(test.subject).toMatch(/^\[PKI\] Test of owners/);
    const { source } = program.database;
    await source.query(`
      create function mute() returns trigger language plpgsql as 'begin return null; end';
      create trigger mute before insert on outbox for each row when (new.job = 'notice.send') execute function mute()`);
    await revoke(await issue('dan@example.com', 'dan.example.com'));
    const shown = await preview();
    expect(shown).toMatchObject({
      from: 'notice',
      event: 'certificate.revoked',
      subject: '[PKI] dan.example.com: revoked',
      mailTo: ['dan@example.com'],
      requests: [],
    });
    expect(shown.html).toContain('Questions: pki@example.com');
    await source.query('drop trigger mute on outbox; drop function mute()');
  });

  it('is changed by administrators and operators alone, and refused where it cannot be filled in', async () => {
    await program.ok('POST', '/users', { username: 'eve', email: 'eve@example.com', password });
    const token = await program.login('eve', password);
    expect((await program.call('PUT', '/notice-layout', {}, { token })).status).toBe(403);
    expect((await program.call('GET', '/notice-layout/preview', undefined, { token })).status).toBe(403);
    expect((await program.call('GET', '/notice-layout', undefined, { token })).body).toEqual(layout);
    const wrong = await program.call('PUT', '/notice-layout', { html: '{{#each cards}}' });
    expect([wrong.status, Object.keys(wrong.body.reasons)]).toEqual([400, ['html']]);
    expect(await program.ok('PUT', '/notice-layout', {})).toEqual({});
  });
});
