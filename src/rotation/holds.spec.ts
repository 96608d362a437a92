import { describe, expect, it } from 'vitest';
import { plainRule } from './due.js';
import { type DueRenewal, type Pause, verdictOn } from './holds.js';

const day = 86_400_000;
const start = new Date('2026-01-01T00:00:00Z');
const after = (days: number): Date => new Date(start.getTime() + days * day);
// 2026-01-01 is a Thursday.
const maintenance = { timeZone: 'UTC', windows: [{ weekdays: ['sat' as const], from: '22:00', to: '23:00' }] };
const policy = { ...plainRule, days: 30, lifetimeFraction: null, maintenance };
const renewal: DueRenewal = {
  id: 1,
  authorityId: 1,
  notBefore: start,
  notAfter: after(90),
  suggestedLastAt: after(33),
  reason: 'ca-window',
  sourceIds: [],
};
const pause: Pause = { id: 1, scope: 'all', targetId: null, holdsEmergencies: false };
const limits = [{ authorityId: null, perHour: 1 }];
const none = { policy, pauses: [], limits: [] };

describe('what holds a renewal of which the suggested window ends', () => {
  it('holds it until shortly before that end, and then no more', () => {
    const now = after(32.5);
    expect(verdictOn(renewal, none, now)).toEqual({ hold: { kind: 'window', lookAt: after(33) } });
    expect(verdictOn(renewal, { ...none, pauses: [pause] }, now)).toMatchObject({ hold: { lookAt: after(33) } });
    const free = { ...policy, maintenance: null };
    expect(verdictOn(renewal, { policy: free, pauses: [], limits }, now)).toMatchObject({
      hold: { kind: 'limit', lookAt: after(33) },
    });
    for (const more of [{ pauses: [pause] }, { limits }, {}])
      expect(verdictOn(renewal, { ...none, ...more }, after(33)).hold).toBeNull();
    expect(verdictOn(renewal, none, after(33))).toEqual({ hold: null, overrides: 'window' });
  });

  it('holds it only where a pause holds emergencies, too', () => {
    const pauses = [{ ...pause, holdsEmergencies: true }];
    expect(verdictOn(renewal, { ...none, pauses }, after(34))).toMatchObject({ hold: { kind: 'pause' } });
  });
});
