import { describe, expect, it } from 'vitest';
import { type NoticeEvent, noticeEvents } from '../plugin-api/events.js';
import type { CertificateFacts, NoticeData } from './notice-data.js';
import { renderNotice } from './notice-texts.js';
import { inWords } from './notice-words.js';

const now = new Date('2026-03-01T12:00:00Z');
const setting = { publicUrl: 'https://pki.example.org', now };
const before: CertificateFacts = {
  id: 7,
  name: 'www.example.org-CA-1',
  commonName: 'www.example.org',
  owner: 'web@example.org',
  serialHex: '0a01',
  notAfter: new Date('2026-03-13T12:30:00Z'),
};
const after: CertificateFacts = {
  ...before,
  id: 8,
  name: 'www.example.org-CA-2',
  serialHex: '0b02',
  notAfter: new Date('2026-06-13T12:30:00Z'),
};
const renewal = { renewsAt: new Date('2026-03-05T00:00:00Z') } as const;
const manual = { renewsAt: null, reason: 'rotation is off' } as const;

const messages: { [E in NoticeEvent]: NoticeData[E] } = {
  'certificate.issued': { ...setting, certificates: [before, after] },
  'certificate.discovered': { ...setting, certificates: [before] },
  'certificate.unexpected': { ...setting, certificates: [{ ...before, issuer: 'OtherCA' }] },
  'certificate.still-served': {
    ...setting,
    certificate: before,
    reason: 'superseded',
    endpoints: 6,
    servedAt: ['lb:443', 'mail:465'],
  },
  'certificate.expiring': { ...setting, certificates: [{ ...before, renewal, endpoints: 0, servedAt: [] }] },
  'certificate.rotated': { ...setting, before, after, destinations: ['Edge', 'Mail'] },
  'certificate.rotation-failed': {
    ...setting,
    certificate: before,
    reason: 'The CA is down.',
    nextAttemptAt: new Date('2026-03-01T13:00:00Z'),
  },
  'certificate.no-destination': { ...setting, before, after },
  'certificate.revoked': {
    ...setting,
    certificate: before,
    reason: 'keyCompromise',
    comments: 'Laptop lost',
    replaced: false,
    revokedAt: now,
  },
  'certificate.taken-over': { ...setting, certificate: before, formerOwner: 'former@example.org' },
  'certificate.handed-over': {
    ...setting,
    certificate: before,
    formerOwner: 'former@example.org',
    vouchingRole: 'former@example.org',
  },
  'delivery.failing': {
    ...setting,
    certificate: after,
    destination: 'Edge',
    what: 'delivery',
    reason: 'Connection refused',
    attempts: 3,
    nextAttemptAt: null,
  },
  'delivery.left': { ...setting, certificate: before, destination: 'Edge' },
  'order.failed': { ...setting, certificate: before, reason: 'An approver rejected it.' },
  'order.overdue': { ...setting, certificate: before, reason: 'It was not fulfilled.' },
  'order.disputed': { ...setting, certificate: before, reason: 'Other names.', deadlineAt: now },
  'withdrawal.given-up': { ...setting, certificate: before, kind: 'revoke', reason: 'Unknown serial number.' },
  'authority.expiring': { ...setting, authority: { ...before, name: 'Issuing CA' } },
  'crl.overdue': {
    ...setting,
    authority: { ...before, name: 'Issuing CA' },
    lists: 2,
    nextUpdate: new Date('2026-03-02T00:00:00Z'),
    reason: 'The token does not answer.',
  },
  'run.paused': {
    ...setting,
    run: { id: 5, kind: 'revocation', path: '/revocations/5', creator: 'ann', waiting: 7, done: 2 },
    reason: 'Its user is not active any more.',
  },
  'summary.weekly': { ...setting, watched: 40, ending: 3, failing: 1, certificates: [before, after] },
};

describe('renderNotice', () => {
  it.each<[NoticeEvent, string, string[]]>([
    [
      'certificate.issued',
      'www.example.org and 1 more: issued',
      ['2 certificates were issued', 'www.example.org-CA-1', 'https://pki.example.org/api/1/certificates/8'],
    ],
    ['certificate.discovered', 'www.example.org: discovered', ['A source found it, and it was not known here.']],
    [
      'certificate.unexpected',
      'www.example.org: issued by a CA that was not asked here',
      ['A certificate was issued that nobody requested here', 'Issuer: OtherCA', 'Serial number: 0a01'],
    ],
    [
      'certificate.still-served',
      'www.example.org: replaced, and still served',
      ['Served at: lb:443, mail:465 and 4 more endpoints', 'Install the successor there'],
    ],
    [
      'certificate.expiring',
      'www.example.org expires in 12 days',
      ['web@example.org', 'in 12 days, 2026-03-13 12:30 UTC', 'automatic, on 2026-03-05 00:00 UTC'],
    ],
    [
      'certificate.rotated',
      'www.example.org: renewed',
      [
        'deployed at: Edge, Mail.',
        'Serial number: 0a01',
        'Serial number: 0b02',
        'https://pki.example.org/api/1/certificates/8',
      ],
    ],
    [
      'certificate.rotation-failed',
      'www.example.org: renewal failed, expires in 12 days',
      ['Reason: The CA is down.', 'The next attempt is in 60 minutes, at 2026-03-01 13:00 UTC.'],
    ],
    [
      'certificate.no-destination',
      'www.example.org: renewed, must be deployed by hand',
      ['Deploy it by hand; the old one expires in 12 days, on 2026-03-13 12:30 UTC.'],
    ],
    [
      'certificate.revoked',
      'www.example.org: revoked',
      ['Revoked: 2026-03-01 12:00 UTC', 'Reason: keyCompromise', 'Comments: Laptop lost'],
    ],
    [
      'certificate.taken-over',
      'www.example.org: taken over by web@example.org',
      ['belonged to former@example.org.', 'it has leaked: revoke the certificate at its issuer'],
    ],
    [
      'certificate.handed-over',
      'www.example.org: handed over to you',
      [
        'Until now it belonged to former@example.org.',
        'by the rights of former@example.org and of its creator',
        'send POST https://pki.example.org/api/1/certificates/7/accept. Any holder of the role web@example.org',
      ],
    ],
    [
      'delivery.failing',
      'www.example.org: delivery to Edge fails',
      ['in 3 attempts. Reason: Connection refused', 'There is no further attempt until someone acts.'],
    ],
    [
      'authority.expiring',
      'Authority Issuing CA expires in 12 days',
      ['Owner: web@example.org', 'https://pki.example.org/api/1/authorities/7'],
    ],
    [
      'summary.weekly',
      'Weekly summary: 3 of 40 certificates expire within 30 days',
      [
        '40 certificates are watched: 3 expire within 30 days, and the last renewal of 1 failed.',
        'The first 2 to expire are listed.',
        'https://pki.example.org/api/1/certificates/7',
      ],
    ],
    [
      'run.paused',
      'The revocation run 5 is paused; certificates that wait: 7',
      [
        'Reason: Its user is not active any more.',
        'Creator: ann',
        'Certificates that wait: 7',
        'https://pki.example.org/api/1/revocations/5',
      ],
    ],
    [
      'crl.overdue',
      'Authority Issuing CA: its CRL is overdue',
      [
        'A newer CRL should have been made by now.',
        'Reason: The token does not answer.',
        'Overdue CRLs: 2',
        'Next update: 2026-03-02 00:00 UTC',
        'https://pki.example.org/api/1/authorities/7/crl',
      ],
    ],
  ])('writes the facts of %s into the text and the same words into the HTML', (event, subject, parts) => {
    const message = renderNotice(event, messages[event]);
    expect(message.subject).toBe(subject);
    for (const part of parts) expect(message.text).toContain(part);
    expect(message.text).toMatch(/https:\/\/pki\.example\.org\/api\/1\/(certificates|authorities|revocations)\//);
    expect(wordsOf(withoutTags(message.html))).toEqual(
      wordsOf(message.text.replaceAll(/^ *https:.*$/gm, '').replace('-- ', '')),
    );
    expect([...message.html.matchAll(/href="(.*?)"/g)].map(([, url]) => url)).toEqual(
      [...message.text.matchAll(/^ {2}(https:.*)$/gm)].map(([, url]) => url),
    );
  });

  it.each(noticeEvents)('lays %s out so that every mail program shows it, and says the same in both parts', (event) => {
    const { html, text } = renderNotice(event, messages[event]);
    expect(wordsOf(withoutTags(html))).toEqual(wordsOf(text.replaceAll(/^ *https:.*$/gm, '').replace('-- ', '')));
    // A mail program loads nothing, or asks first; scripts, forms and frames it removes.
    expect(html).not.toMatch(
      /\b(src|srcset|background)=|url\(|@import|<(img|link|script|iframe|form|video|object|svg)\b/i,
    );
    const widths = [...html.matchAll(/width(?:="|:)(\d+)(%|px)?/g)].filter(([, , unit]) => unit !== '%');
    expect(widths.map(([, width]) => Number(width)).filter((width) => width > 600)).toEqual([]);
    expect(html).toContain('max-width:600px');
    // A long name breaks, and does not make the mail wider than a phone.
    // Whatever stands in the column breaks: a heading, a paragraph and the footer as well as a card.
    const column = html.split('<table').find((table) => table.includes('max-width:600px')) ?? '';
    expect(column).toMatch(/^[^>]*table-layout:fixed[^>]*overflow-wrap:anywhere;word-break:break-word/);
    expect(html.indexOf('<h1')).toBeGreaterThan(html.indexOf('overflow-wrap'));
    expect(Buffer.byteLength(html)).toBeLessThan(100_000);
  });

  it('names the certificate that expires first and says that some do not renew automatically', () => {
    const certificates = [
      { ...after, renewal, endpoints: 0, servedAt: [] },
      {
        ...before,
        commonName: 'mail.example.org',
        renewal: manual,
        endpoints: 7,
        servedAt: ['a.example.org:443', 'b.example.org:443'],
      },
    ];
    const { subject, text } = renderNotice('certificate.expiring', { ...setting, certificates });
    expect(subject).toBe('2 certificates: mail.example.org expires in 12 days');
    expect(text).toContain('Not all of them renew automatically. Renew what is still needed, and revoke what is not.');
    expect(text).toContain('Renewal: not automatic (rotation is off)');
    expect(text.match(/Served at: .*/g)).toEqual([
      'Served at: a.example.org:443, b.example.org:443 and 5 more endpoints',
    ]);
  });

  it('uses the past tense for a certificate that has expired', () => {
    const { subject, text } = renderNotice('certificate.expiring', {
      ...setting,
      now: new Date('2026-03-15T12:30:00Z'),
      certificates: [{ ...before, renewal: manual, endpoints: 1, servedAt: ['a.example.org:443'] }],
    });
    expect(subject).toBe('www.example.org expired 2 days ago');
    expect(text).toContain('Expired: 2 days ago, 2026-03-13 12:30 UTC');
    expect(text).toMatch(/Served at: a\.example\.org:443$/m);
  });

  it('keeps a hostile name from becoming markup, a header or a second line', () => {
    const hostile =
      '</title><script>alert(1)</script>"><img src=x onerror=y>\r\nBcc: ' +
      'evil@example.org\n\n{{constructor}} \u202egro.elpmaxe';
    const certificate = { ...before, name: hostile, commonName: hostile, owner: hostile };
    const { subject, text, html } = renderNotice('delivery.failing', {
      ...setting,
      certificate,
      destination: hostile,
      what: 'delivery',
      reason: hostile,
      attempts: 1,
      nextAttemptAt: null,
    });
    expect(html).not.toMatch(/<script|<img|onerror=y>/);
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');

    expect(subject).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(text).not.toMatch(/^Bcc/m);
    expect(text).toContain('{{constructor}}');
    expect(text).toContain('<script>');
  });
});

it.each([
  [1, 1, 'Weekly summary: 1 of 1 certificate expires within 30 days', '1 certificate is watched: 1 expires within'],
  [0, 1, 'Weekly summary: 0 of 1 certificate expires within 30 days', '1 certificate is watched: 0 expire within'],
  [0, 2, 'Weekly summary: 0 of 2 certificates expire within 30 days', '2 certificates are watched: 0 expire within'],
])('a summary of %i of %i certificates counts in words', (ending, watched, subject, words) => {
  const message = renderNotice('summary.weekly', { ...messages['summary.weekly'], ending, watched });
  expect([message.subject, message.text]).toEqual([subject, expect.stringContaining(words)]);
});

describe('inWords', () => {
  it.each<[string, string]>([
    ['2026-03-01T12:00:30Z', 'now'],
    ['2026-03-01T12:01:00Z', 'in 1 minute'],
    ['2026-03-01T13:59:00Z', 'in 119 minutes'],
    ['2026-03-01T14:00:00Z', 'in 2 hours'],
    ['2026-03-03T11:59:00Z', 'in 47 hours'],
    ['2026-03-03T12:00:00Z', 'in 2 days'],
    ['2027-03-01T12:00:00Z', 'in 365 days'],
    ['2026-02-27T12:00:00Z', '2 days ago'],
  ])('%s is %s', (date, words) => {
    expect(inWords(new Date(date), now)).toBe(words);
  });
});

function withoutTags(html: string): string {
  return html.replace(/<head>[\s\S]*<\/head>/, '').replaceAll(/<[^>]*>/g, ' ');
}

function wordsOf(text: string): string[] {
  return text
    .replaceAll(/:(?=\s)/g, '')
    .split(/\s+/)
    .filter((word) => word !== '');
}

describe('the subject of a message', () => {
  const subjectOf = (commonName: string): string =>
    renderNotice('certificate.revoked', {
      ...messages['certificate.revoked'],
      certificate: { ...before, commonName },
    }).subject;

  it.each([
    ['www.example.com', 'www.example.com'],
    ['a\r\nBcc: ceo@example.com', 'a Bcc: ceo@example.com'],
    ['moc.knab\u202e', 'moc.knab'],
    ['Log in at https://evil.example/login now', 'Log in at (link) now'],
    ['HTTPS://evil.example', '(link)'],
    ['mailto:eve@evil.example', '(link)'],
    ['ht\u200btps://evil.example', 'ht (link)'],
    ['x'.repeat(65), `${'x'.repeat(63)}…`],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['😀'.repeat(70), `${'😀'.repeat(63)}…`],
  ])('shows the name %j as %j', (name, shown) => {
    expect(subjectOf(name)).toBe(`${shown}: revoked`);
  });
});
