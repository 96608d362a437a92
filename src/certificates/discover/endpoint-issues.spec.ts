import { describe, expect, it } from 'vitest';
import { endpointIssues, type ServedCertificate } from './endpoint-issues.js';

const day = 86_400_000;
const now = new Date('2026-03-01T00:00:00Z');
const when = { now, leadS: 30 * 86_400 };
const inDays = (n: number): Date => new Date(now.getTime() + n * day);
const certificate = (ends: number, more: Partial<ServedCertificate> = {}): ServedCertificate => ({
  name: 'a',
  state: 'issued',
  notBefore: inDays(ends - 365),
  notAfter: inDays(ends),
  watched: true,
  successor: null,
  ...more,
});
const endpoint = (ends: number | null, more: object = {}) => ({
  ciphers: [],
  servedNotAfter: ends === null ? null : inDays(ends),
  servedSerialHex: 'AB',
  faultDetail: null,
  staleSince: null,
  active: true,
  ...more,
});
const names = (...[one, two]: [ReturnType<typeof endpoint>, ServedCertificate | null]): string[] =>
  endpointIssues(one, two, when).map(({ name }) => name);

describe('what is wrong with an endpoint', () => {
  it.each<[string, string[], ReturnType<typeof endpoint>, ServedCertificate | null]>([
    ['nothing', [], endpoint(31), certificate(31)],
    ['an end that is near', ['expiring certificate'], endpoint(30), certificate(30)],
    ['an end that is near for a short life', [], endpoint(20), certificate(20, { notBefore: inDays(-20) })],
    ['the same, later', ['expiring certificate'], endpoint(9), certificate(9, { notBefore: inDays(-31) })],
    ['an end', ['expired certificate'], endpoint(0), certificate(0)],
    ['an end of what is not known', ['expired certificate', 'unknown certificate'], endpoint(-1), null],
    ['what cannot be read', ['unknown certificate'], endpoint(null), null],
    [
      'a successor',
      ['outdated certificate'],
      endpoint(99),
      certificate(99, { state: 'superseded', successor: { id: 2, name: 'b', serialHex: 'CD' } }),
    ],
    ['a revocation', ['revoked'], endpoint(99), certificate(99, { state: 'revoked', watched: false })],
    ['nobody who is warned', ['unwatched certificate'], endpoint(99), certificate(99, { watched: false })],
    [
      'old ciphers',
      ['deprecated cipher'],
      endpoint(99, {
        ciphers: [
          { name: 'Protocol-TLSv1', deprecated: true },
          { name: 'Protocol-TLSv1.3', deprecated: false },
        ],
      }),
      certificate(99),
    ],
    ['two missed scans', ['stale'], endpoint(99, { staleSince: inDays(-1), active: false }), certificate(99)],
    ['absence', ['not seen', 'stale'], endpoint(99, { faultDetail: 'x', active: false }), certificate(99)],
  ])('%s', (_, expected, one, two) => {
    expect(names(one, two)).toEqual(expected);
  });
});
