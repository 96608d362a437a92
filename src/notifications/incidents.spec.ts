import { describe, expect, it } from 'vitest';
import { noticeEvents } from '../plugin-api/events.js';
import { incidentEvents } from '../plugin-api/incidents.js';
import { incidentsOf } from './incidents.js';
import type { CertificateFacts, NoticeData } from './notice-data.js';
import { renderNotice } from './notice-texts.js';

const now = new Date('2026-03-01T12:00:00Z');
const setting = { publicUrl: 'https://pki.example.org', now };
const at = 'https://pki.example.org/api/1/certificates';
const dayMs = 86_400_000;
const inDays = (days: number): Date => new Date(now.getTime() + days * dayMs);
const facts = (id: number, days = 12): CertificateFacts => {
  const commonName = `www${id}.example.org`;
  return { id, name: `n${id}`, commonName, owner: 'web@example.org', serialHex: '0a', notAfter: inDays(days) };
};
const authority = { id: 3, name: 'root', commonName: 'Root', owner: 'pki@example.org', notAfter: inDays(100) };
const failing = { what: 'delivery' as const, reason: 'r', attempts: 1, nextAttemptAt: null };

type Told = { [E in keyof NoticeData]: Omit<NoticeData[E], keyof typeof setting> };
const data: Told = {
  'certificate.issued': { certificates: [facts(7)] },
  'certificate.discovered': { certificates: [facts(7)] },
  'certificate.unexpected': {
    certificates: [
      { ...facts(7), issuer: 'CA' },
      { ...facts(8), issuer: 'CA' },
    ],
  },
  'certificate.still-served': { certificate: facts(7, 1), reason: 'expiring', endpoints: 1, servedAt: ['lb:443'] },
  'certificate.expiring': {
    certificates: [
      { ...facts(7), renewal: { renewsAt: null, reason: 'off' }, endpoints: 0, servedAt: [] },
      { ...facts(8), renewal: { renewsAt: now }, endpoints: 0, servedAt: [] },
      { ...facts(9), renewal: { renewsAt: now, failure: 'no' }, endpoints: 0, servedAt: [] },
      { ...facts(10, 7), renewal: { renewsAt: now }, endpoints: 0, servedAt: [] },
      { ...facts(11, -1), renewal: { renewsAt: null, reason: 'off' }, endpoints: 0, servedAt: [] },
    ],
  },
  'certificate.rotated': { before: facts(7), after: facts(8), destinations: ['lb'] },
  'certificate.rotation-failed': { certificate: facts(7, 1), reason: 'r', nextAttemptAt: null },
  'certificate.no-destination': { before: facts(7), after: facts(8) },
  'certificate.revoked': { certificate: facts(7), reason: 'r', comments: null, replaced: false, revokedAt: now },
  'certificate.handed-over': { certificate: facts(7), formerOwner: 'a@example.org', vouchingRole: null },
  'certificate.taken-over': { certificate: facts(7), formerOwner: 'a@example.org' },
  'delivery.failing': { certificate: facts(7), destination: 'lb', ...failing },
  'delivery.left': { certificate: facts(7), destination: 'lb' },
  'order.failed': { certificate: facts(7), reason: 'r' },
  'order.overdue': { certificate: facts(7), reason: 'r' },
  'order.disputed': { certificate: facts(7), reason: 'r', deadlineAt: null },
  'withdrawal.given-up': { certificate: facts(7), kind: 'revoke', reason: null },
  'authority.expiring': { authority },
  'crl.overdue': { authority, lists: 1, nextUpdate: inDays(-1), reason: null },
  'run.paused': {
    run: { id: 5, kind: 'revocation', path: '/revocations/5', creator: 'ann', waiting: 7, done: 2 },
    reason: 'r',
  },
  'summary.weekly': { watched: 9, ending: 1, failing: 0, certificates: [facts(7)] },
};

/** What each event opens and closes: action, key and severity, and the severity of the whole message. */
const expected: Record<keyof Told, [string, ...string[]]> = {
  'certificate.issued': ['info'],
  'certificate.discovered': ['info'],
  'certificate.unexpected': ['error', `open ${at}/7#unexpected error`, `open ${at}/8#unexpected error`],
  'certificate.still-served': ['critical', `open ${at}/7#still-served critical`],
  'certificate.expiring': [
    'critical',
    `open ${at}/7 warning`,
    `open ${at}/8 info`,
    `open ${at}/9 warning`,
    `open ${at}/10 error`,
    `open ${at}/11 critical`,
  ],
  'certificate.rotated': ['info', `close ${at}/7 info`, `close ${at}/8#delivery:lb info`],
  'certificate.rotation-failed': ['critical', `open ${at}/7 critical`],
  'certificate.no-destination': ['error', `open ${at}/7 error`],
  'certificate.revoked': ['warning', `close ${at}/7 info`, `open ${at}/7#revoked warning`],
  'certificate.handed-over': ['warning', `open ${at}/7#handed-over:web@example.org warning`],
  'certificate.taken-over': ['error', `open ${at}/7#taken-over:web@example.org error`],
  'delivery.failing': ['error', `open ${at}/7#delivery:lb error`],
  'delivery.left': ['error', `open ${at}/7#removal:lb error`],
  'order.failed': ['error', `open ${at}/7#order error`],
  'order.overdue': ['error', `open ${at}/7#order error`],
  'order.disputed': ['error', `open ${at}/7#order error`],
  'withdrawal.given-up': ['error', `open ${at}/7#withdrawal:revoke error`],
  'authority.expiring': ['warning', 'open https://pki.example.org/api/1/authorities/3 warning'],
  'crl.overdue': ['critical', 'open https://pki.example.org/api/1/authorities/3/crl critical'],
  'run.paused': ['error', 'open https://pki.example.org/api/1/revocations/5 error'],
  'summary.weekly': ['info'],
};

describe('incidentsOf', () => {
  it.each(noticeEvents)('opens and closes of %s what it is a problem of', (event) => {
    const { severity, incidents } = incidentsOf(event, { ...setting, ...data[event] }, 'subject');
    const told = incidents.map((one) => `${one.action} ${one.key} ${one.severity}`);
    expect([severity, ...told]).toEqual(expected[event]);
    // A channel for people on call would send nothing of an event without incidents, and count it as sent.
    expect(incidentEvents.includes(event)).toBe(incidents.length > 0);
  });

  it.each(noticeEvents)('opens of %s only what its message shows', (event) => {
    const told = { ...setting, ...data[event] };
    const urls = renderNotice(event, told).content.cards.map(({ url }) => url);
    const opened = incidentsOf(event, told, 'subject').incidents.filter(({ action }) => action === 'open');
    expect(opened.map(({ url }) => url).filter((url) => !urls.includes(url))).toEqual([]);
  });

  it('words each certificate of a list on its own', () => {
    const list = { ...setting, ...data['certificate.expiring'] };
    const { incidents } = incidentsOf('certificate.expiring', list, 'subject');
    expect(incidents.map(({ summary }) => summary).slice(3)).toEqual([
      'www10.example.org expires in 7 days',
      'www11.example.org expired 24 hours ago',
    ]);
  });
});
