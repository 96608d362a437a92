import { expect, it } from 'vitest';
import { expiring, facts, messageOf, urlOf } from '../../test/support/channel-service.js';
import { digestOf } from './digest.js';

const issued = messageOf('certificate.issued', { certificates: [facts(7), facts(8)] });
const revoked = messageOf('certificate.revoked', {
  certificate: facts(9),
  reason: 'superseded',
  comments: null,
  replaced: false,
  revokedAt: new Date('2026-03-01T11:00:00Z'),
});
const warning = { ...expiring(facts(10)), recipients: ['web@example.org'] };

it('a digest of several messages tells each with its cards, and is as severe as the worst', () => {
  const digest = digestOf([issued, revoked, warning]);
  expect(digest).toMatchObject({
    event: 'notification.digest',
    subject: 'www7.example.org and 1 more: issued and 2 more',
    severity: 'warning',
    recipients: ['web@example.org'],
    incidents: [...revoked.incidents, ...warning.incidents],
  });
  expect(digest.content.paragraphs).toEqual([issued.subject, revoked.subject, warning.subject]);
  expect(digest.content.cards.map(({ url }) => url)).toEqual([7, 8, 9, 10].map(urlOf));
  expect(digest.text).toMatch(/^ {2}Notice: A certificate was revoked$/m);
  expect(digest.text).toMatch(/^ {2}Details: .* It will not be renewed\.$/m);
  expect(digest.data).toMatchObject({
    messages: [{ event: 'certificate.issued' }, { event: 'certificate.revoked' }, {}],
  });
});

it('a digest of one message is that message', () => {
  expect(digestOf([revoked])).toBe(revoked);
});
