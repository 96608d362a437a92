import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthority, type TestAuthority } from '../support/bundles.js';
import { eventually, startProgram, type TestProgram } from '../support/program.js';
import { dayMs, inDays } from '../support/requests.js';
import { type ReceivedMail, startSmtp, type TestSmtp } from '../support/smtp.js';

let smtp: TestSmtp;
let foreign: TestAuthority;
let program: TestProgram;
beforeAll(async () => {
  foreign = startTestAuthority();
  smtp = await startSmtp();
  program = await startProgram({
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Perennial <perennial@pki.example.com>',
    SECURITY_TEAM_EMAIL: 'security@example.com',
    SECURITY_NOTICE_DAYS: '2',
    PUBLIC_URL: 'https://pki.example.com',
  });
  await program.ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
});
afterAll(async () => {
  await program.stop();
  smtp.close();
  foreign.close();
});

const issue = (owner: string, commonName: string, more: object = {}): Promise<{ id: number; name: string }> =>
  program.ok('POST', '/certificates', { owner, commonName, authority: { name: 'root' }, validityDays: 90, ...more });
const mailsTo = (address: string): ReceivedMail[] => smtp.received.filter(({ to }) => to.includes(address));
const nthMailTo = (address: string, n: number): Promise<ReceivedMail> =>
  eventually(async () => mailsTo(address)[n - 1]);
let probes = 0;
/** Ends when a warning that is due later than all that are due now has been sent. */
async function settled(): Promise<void> {
  const owner = `probe-${++probes}@example.com`;
  await issue(owner, 'probe.example.com', {
    validityDays: undefined,
    validityEnd: inDays(4 / 1440, program.clock.now()),
  });
  program.clock.advance(4 * 60_000);
  await nthMailTo(owner, 1);
}

describe('warnings before a certificate expires', () => {
  it('come once per threshold, in one mail for all certificates of an owner (20: uptime-kuma#2648)', async () => {
    await program.ok('POST', '/policies', { name: 'late', days: 5 });
    await issue('joe@example.com', 'a.example.com');
    await issue('joe@example.com', 'b.example.com', { rotationPolicy: { name: 'late' }, validityDays: 89 });
    await issue('bob@example.com', 'c.example.com');
    program.clock.advance(58 * dayMs);
    await settled();
    expect(mailsTo('joe@example.com')).toEqual([]);
    program.clock.advance(2 * dayMs);
    const mail = await nthMailTo('joe@example.com', 1);
    expect(mail.to).toEqual(['joe@example.com']);
    expect(mail.subject).toMatch(/^2 certificates: b\.example\.com expires in 2[89] days$/);
    expect(mail.raw).toMatch(/^From: Perennial <perennial@pki\.example\.com>/m);
    expect(mail.raw).toMatch(/^Message-ID: <[0-9a-f]{40}@pki\.example\.com>/m);
    expect(mail.raw).toContain('multipart/alternative');
    const [, text = '', html = ''] = mail.raw.split(/^--+_NmP.*$/m);
    expect(text).toContain('text/plain');
    expect(html).toContain('text/html');
    for (const part of [text, html])
      for (const words of ['a.example.com', 'https://pki.example.com/api/1/certificates/1'])
        expect(part.replaceAll('=\r\n', '')).toContain(words);
    expect(text.replaceAll('=\r\n', '')).toMatch(
      /not automatic \(Rotation is switched off for it\.\)[\s\S]*automatic, on 20|automatic, on 20[\s\S]*not automatic/,
    );
    expect((await nthMailTo('bob@example.com', 1)).subject).toMatch(/^c\.example\.com expires in/);
    await settled();
    expect(mailsTo('bob@example.com')).toHaveLength(1);
  });

  it('are sent after an outage in one mail for all thresholds that have passed', async () => {
    await issue('ann@example.com', 'outage.example.com');
    program.clock.advance(89 * dayMs);
    expect((await nthMailTo('ann@example.com', 1)).subject).toMatch(/^outage\.example\.com expires in/);
    const told = await eventually(async () =>
      mailsTo('security@example.com').find(({ raw }) => raw.replaceAll('=\r\n', '').includes('outage.example.com')),
    );
    expect(told.to).toEqual(['security@example.com']);
    await settled();
    expect(mailsTo('ann@example.com')).toHaveLength(1);
  });

  it('are sent even when the certificate has expired meanwhile', async () => {
    await issue('eva@example.com', 'over.example.com');
    program.clock.advance(95 * dayMs);
    const { subject } = await nthMailTo('eva@example.com', 1);
    expect(subject).toBe('over.example.com expired 5 days ago');
    await settled();
    expect(mailsTo('eva@example.com')).toHaveLength(1);
  });

  it('are sent later when the mail server is down', async () => {
    const { id } = await issue('ida@example.com', 'waits.example.com');
    smtp.refuseWith(451);
    program.clock.advance(61 * dayMs);
    const [notice] = await eventually(async () => {
      const rows = await program.database.source.query(
        `select * from notice where certificate_id = $1 and attempts > 0`,
        [id],
      );
      return rows.length > 0 && rows;
    });
    expect(notice).toMatchObject({
      state: 'due',
      fault: 'unavailable',
      fault_detail: expect.stringContaining('Not now'),
    });
    smtp.refuseWith(null);
    expect(mailsTo('ida@example.com')).toEqual([]);
    program.clock.advance(60_000);
    await nthMailTo('ida@example.com', 1);
  });

  it('go to the recipients of a notification and to the owner', async () => {
    await program.ok('POST', '/notifications', {
      label: 'ops',
      plugin: {
        slug: 'email-notification',
        pluginOptions: [
          { name: 'interval', value: '2' },
          { name: 'unit', value: 'weeks' },
          { name: 'recipients', value: 'ops@example.com' },
        ],
      },
    });
    await issue('kim@example.com', 'named.example.com', { notifications: [{ label: 'ops' }] });
    program.clock.advance(77 * dayMs);
    expect((await nthMailTo('ops@example.com', 1)).to).toEqual(['kim@example.com', 'ops@example.com']);
    await settled();
    expect(mailsTo('kim@example.com')).toHaveLength(1);
  });

  it('are not sent when they are switched off, or the certificate is revoked', async () => {
    const off = await issue('lea@example.com', 'off.example.com', { notify: false });
    const later = await issue('lea@example.com', 'later-off.example.com');
    const revoked = await issue('lea@example.com', 'revoked.example.com');
    await program.ok('PUT', `/certificates/${later.id}`, { notify: false });
    await program.ok('PUT', `/certificates/${revoked.id}/revoke`, {});
    expect((await nthMailTo('lea@example.com', 1)).subject).toBe('revoked.example.com: revoked');
    program.clock.advance(61 * dayMs);
    await settled();
    expect(mailsTo('lea@example.com')).toHaveLength(1);
    expect((await program.ok('GET', `/certificates/${off.id}`)).nextNoticeAt).toBeNull();
    await program.ok('PUT', `/certificates/${later.id}`, { notify: true });
    expect((await nthMailTo('lea@example.com', 2)).subject).toMatch(/^later-off\.example\.com expire/);
  });

  it('are sent at once when a change puts their time into the past', async () => {
    const { id } = await issue('mia@example.com', 'changed.example.com', { notifications: [{ label: 'ops' }] });
    const {
      chainPem: [body, chain],
    } = foreign.issue('uploaded.example.org');
    program.clock.advance(70 * dayMs);
    await program.ok('POST', '/notifications', {
      label: 'late',
      plugin: { id: 'email', options: { recipients: 'late@example.com', interval: 40 } },
    });
    await program.ok('PUT', `/certificates/${id}`, { notifications: [{ label: 'ops' }, { label: 'late' }] });
    expect((await nthMailTo('late@example.com', 1)).subject).toMatch(/^changed\.example\.com expires/);
    const [notification] = (await program.ok('GET', '/notifications?filter=label;ops')).items;
    const before = mailsTo('ops@example.com').length;
    await program.ok('PUT', `/notifications/${notification.id}`, {
      label: 'ops',
      plugin: { id: 'email', options: { recipients: 'ops@example.com', interval: 30 } },
    });
    await nthMailTo('ops@example.com', before + 1);
    await program.ok('POST', '/certificates/upload', { owner: 'old@example.com', body, chain });
    await settled();
    expect(mailsTo('old@example.com')).toEqual([]);
  });

  it('go to the new owner after a change of owner', async () => {
    const { id } = await issue('nora@example.com', 'handed.example.com');
    await program.ok('PUT', `/certificates/${id}`, { owner: 'otto@example.com' });
    program.clock.advance(61 * dayMs);
    expect((await nthMailTo('otto@example.com', 1)).to).toEqual(['otto@example.com']);
    await settled();
    expect(mailsTo('nora@example.com')).toEqual([]);
  });

  it('reach an owner of hundreds of certificates in a few mails, with each certificate once', async () => {
    const names = Array.from({ length: 230 }, (_, i) => `many-${i}.example.com`);
    for (let at = 0; at < names.length; at += 46)
      await Promise.all(names.slice(at, at + 46).map((name) => issue('many@example.com', name)));
    program.clock.advance(89 * dayMs);
    const told = (): string[] =>
      mailsTo('many@example.com').flatMap(({ raw }) => [
        ...new Set(raw.replaceAll('=\r\n', '').match(/many-\d+\.example\.com-/g)),
      ]);
    await eventually(async () => told().length >= names.length);
    expect(new Set(told()).size).toBe(names.length);
    expect(told()).toHaveLength(names.length);
    expect(mailsTo('many@example.com').length).toBeLessThanOrEqual(3);
  });
});

describe('a program without a mail server', () => {
  it('stores mails, and GET /mails returns them', async () => {
    const kept = await startProgram();
    try {
      const { ok, clock } = kept;
      await ok('POST', '/authorities', { name: 'root', owner: 'pki@example.com', commonName: 'Example Root' });
      const names = Array.from({ length: 120 }, (_, i) => `kept-${i}.example.com`);
      await Promise.all(
        names.map((commonName) =>
          ok('POST', '/certificates', {
            owner: 'joe@example.com',
            commonName,
            authority: { name: 'root' },
            validityDays: 90,
          }),
        ),
      );
      // A certificate with which a job is still busy would be warned of in a second mail.
      await eventually(
        async () =>
          (await kept.database.source.query(`select from outbox where state = 'due' and run_at <= now()`)).length === 0,
      );
      clock.advance(89 * dayMs);
      // After so long, that the CRL is overdue may be told before it is made.
      const mailsToJoe = async () =>
        (await ok('GET', '/mails')).items.filter(({ to }: { to: string[] }) => to.includes('joe@example.com'));
      const [brief] = await eventually(async () => {
        const items = await mailsToJoe();
        return items.length > 0 && items;
      });
      const mail = await ok('GET', `/mails/${brief.id}`);
      expect(mail).toMatchObject({
        to: ['joe@example.com'],
        subject: expect.stringMatching(/^120 certificates: kept-\d+\.example\.com expires/),
      });
      for (const part of [mail.text, mail.html]) expect(new Set(part.match(/kept-\d+\.example\.com-/g)).size).toBe(120);
      expect(await mailsToJoe()).toHaveLength(1);
    } finally {
      await kept.stop();
    }
  });
});
