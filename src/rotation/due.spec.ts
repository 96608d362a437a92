import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  beginsAt,
  due,
  emergencyOf,
  noSuccession,
  plainRule,
  planRenewal,
  type RenewalFacts,
  type RenewalRule,
  shareOf,
} from './due.js';
import { nextOpenings } from './maintenance.js';

const day = 86_400_000;
const start = new Date('2026-01-01T00:00:00Z');
const after = (ms: number): Date => new Date(start.getTime() + ms);
const facts = (days: number, more: Partial<RenewalFacts> = {}): RenewalFacts => ({
  notBefore: start,
  notAfter: after(days * day),
  state: 'issued',
  rotation: true,
  hasIssuer: true,
  ...noSuccession,
  ...more,
});
const rule = (days: number | null, lifetimeFraction: number | null = null, more: Partial<RenewalRule> = {}) => ({
  ...plainRule,
  days,
  lifetimeFraction,
  ...more,
});
const thirtyDays = rule(30);

describe('due', () => {
  it("renews the policy's days before expiry, not a moment earlier", () => {
    expect(due(facts(90), thirtyDays, after(60 * day - 1))).toBeNull();
    expect(due(facts(90), thirtyDays, after(60 * day))).toBe('policy');
  });

  it('takes a third of the lifetime when the days would eat more than half of it', () => {
    expect(planRenewal(facts(47), thirtyDays).at).toEqual(after((47 * day * 2) / 3));
    expect(planRenewal(facts(0.006), thirtyDays).at).toEqual(after(0.004 * day));
  });

  it('takes the earlier of days and fraction', () => {
    expect(planRenewal(facts(100), rule(10, 0.25)).at).toEqual(after(75 * day));
    expect(planRenewal(facts(100), rule(40, 0.25)).at).toEqual(after(60 * day));
  });

  it('names the member of the policy that decides', () => {
    const textOf = (lifetime: number, days: number | null, fraction: number | null): string =>
      planRenewal(facts(lifetime), rule(days, fraction)).text;
    expect(textOf(100, 30, 0.25)).toBe('The policy says 30 days before expiry.');
    expect(textOf(100, 20, 0.25)).toBe('The policy says when 25 % of the lifetime remains.');
    expect(textOf(100, null, 0.25)).toBe('The policy says when 25 % of the lifetime remains.');
    expect(textOf(40, 30, 0.1)).toMatch(
      /^The policy says 30 days, which is more than half .* a third of it remains\.$/,
    );
    expect(textOf(40, 30, 0.5)).toBe('The policy says when 50 % of the lifetime remains.');
  });

  it('renews in the emergency share even when the policy is later', () => {
    expect(planRenewal(facts(100), rule(1))).toMatchObject({
      at: after(98 * day),
      reason: 'emergency',
    });
  });

  it('follows the CA when the moment in its window is earlier, and only then', () => {
    expect(planRenewal(facts(90, { suggestedAt: after(5 * day) }), thirtyDays)).toMatchObject({
      at: after(5 * day),
      reason: 'ca-window',
    });
    expect(planRenewal(facts(90, { suggestedAt: after(61 * day) }), thirtyDays).reason).toBe('policy');
  });

  it('renews at once when the key is compromised or a revoked certificate must be replaced', () => {
    const revokedAt = after(80 * day);
    const revoked = { state: 'revoked', toReplace: true, revokedAt, rotation: false };
    const plan = (more: Partial<RenewalFacts>) => planRenewal(facts(90, more), thirtyDays);
    expect(plan(revoked)).toMatchObject({ at: revokedAt, reason: 'revoked' });
    expect(plan({ ...revoked, keyCompromised: true })).toMatchObject({ at: revokedAt, reason: 'key-compromised' });
    expect(plan({ keyCompromised: true })).toMatchObject({ at: start, reason: 'key-compromised' });
    expect(plan({ keyCompromised: true, rotation: false }).obstacle).toBe('rotation-off');
    expect(plan({ ...revoked, hasSuccessor: true }).obstacle).toBe('renewal-under-way');
    expect(plan({ ...revoked, isReplaced: true }).obstacle).toBe('replaced');
    expect(plan({ ...revoked, toReplace: false, keyCompromised: true }).obstacle).toBe('revoked');
  });

  it('names the obstacle when a certificate does not renew', () => {
    const obstacle = (more: Partial<RenewalFacts>): string | undefined =>
      planRenewal(facts(90, more), thirtyDays).obstacle;
    expect(obstacle({ state: 'revoked' })).toBe('revoked');
    expect(obstacle({ state: 'superseded' })).toBe('superseded');
    expect(obstacle({ state: 'pending' })).toBe('not-issued');
    expect(obstacle({ rotation: false })).toBe('rotation-off');
    expect(obstacle({ hasIssuer: false })).toBe('no-issuer');
    expect(obstacle({ hasSuccessor: true })).toBe('renewal-under-way');
    expect(obstacle({ isReplaced: true })).toBe('replaced');
  });

  it('renews an expired certificate too', () => {
    expect(due(facts(90), thirtyDays, after(200 * day))).toBe('policy');
  });

  it.each([
    [47, 2 / 3],
    [6, 2 / 3],
    [60, 1 / 2],
    [61, 31 / 61],
    [100, 0.7],
    [200, 0.85],
  ])(
    'renews a certificate of %d days and its successor after the share %d of their lifetimes with a policy of 30 days',
    (days, share) => {
      for (const born of [0, days * share]) {
        const one = facts(days, { notBefore: after(born * day), notAfter: after((born + days) * day) });
        expect(planRenewal(one, thirtyDays).at?.getTime()).toBeCloseTo(
          after((born + days * share) * day).getTime(),
          -1,
        );
      }
    },
  );

  it('never renews in the first fifth of a lifetime, whatever the policy', () => {
    for (const days of [0.01, 1, 6, 47, 100, 398]) {
      for (const policy of [0, 1, 30, 365, 3650].flatMap((lead) => [
        rule(lead),
        rule(lead, 0.8),
        rule(lead, 0.79, { spreadHours: 720 }),
      ])) {
        expect(due(facts(days, { spkiSha256: 'ffffffff' }), policy, after(days * day * 0.199))).toBeNull();
      }
    }
  });
});

const hex = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((n) => n.toString(16).padStart(8, '0'));

describe('the spread of renewals', () => {
  const earlier = (days: number, policy: RenewalRule, spkiSha256: string): number =>
    after(days * day).getTime() - (planRenewal(facts(days, { spkiSha256 }), policy).at?.getTime() ?? 0);

  it('is earlier than the policy says, never later, by at most a day and a fiftieth of the lifetime', () => {
    fc.assert(
      fc.property(fc.integer({ min: 62, max: 400 }), hex, (days, sha256) => {
        const ms = earlier(days, thirtyDays, sha256) - 30 * day;
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThan(Math.min(day, (days * day) / 50));
      }),
    );
  });

  it('is as wide as the policy says, none with 0 hours, and at most a tenth of the lifetime', () => {
    const widest = (days: number, spreadHours: number): number =>
      earlier(days, rule(30, null, { spreadHours }), 'ffffffff') - 30 * day;
    expect(widest(90, 0)).toBe(0);
    expect(widest(90, 48) / day).toBeCloseTo(2, 5);
    expect(widest(90, 720) / day).toBeCloseTo(9, 5);
  });

  it('leaves no hour of a day with more than twice its share of a fleet that is due at one moment', () => {
    const hours = new Array<number>(24).fill(0);
    for (let n = 0; n < 24_000; n += 1) {
      // Fibonacci hashing: numbers as evenly spread as hashes are.
      const sha256 = (Math.imul(n, 2654435769) >>> 0).toString(16).padStart(8, '0');
      const hour = Math.floor((earlier(90, thirtyDays, sha256) - 30 * day) / 3_600_000);
      hours[hour] = (hours[hour] ?? 0) + 1;
    }
    expect(Math.max(...hours)).toBeLessThan(2000);
    expect(Math.min(...hours)).toBeGreaterThan(500);
  });
});

describe('a renewal under a policy with maintenance windows', () => {
  // 2026-01-01 is a Thursday.
  const saturdays = { timeZone: 'UTC', windows: [{ weekdays: ['sat' as const], from: '02:00', to: '04:00' }] };
  const inWindows = rule(30, null, { maintenance: saturdays });

  it('waits for the next window', () => {
    // Day 60 is Monday, 2026-03-02.
    expect(planRenewal(facts(90), inWindows)).toMatchObject({
      at: new Date('2026-03-07T02:00:00Z'),
      dueAt: after(60 * day),
      reason: 'policy',
    });
  });

  it('does not wait when a window is open', () => {
    // Day 65 is Saturday, 2026-03-07.
    const open = facts(95 + 3 / 24);
    const plan = planRenewal(open, inWindows);
    expect(plan.at).toEqual(after(65 * day + day / 8));
    expect(plan.dueAt).toBeUndefined();
  });

  it('ignores windows when the certificate is about to expire, and says so', () => {
    // Day 7 is Thursday, 2026-01-08.
    expect(planRenewal(facts(8), rule(1, null, { maintenance: saturdays }))).toMatchObject({
      at: after(7.84 * day),
      reason: 'emergency',
      text: expect.stringContaining('No maintenance window opens before it is about to expire'),
    });
  });

  it('waits for the next window when nothing renewed it in its own', () => {
    const at = (text: string): string | null => due(facts(90), inWindows, new Date(text));
    expect(at('2026-03-07T03:59:59Z')).toBe('policy');
    expect(at('2026-03-07T04:00:00Z')).toBeNull();
    expect(at('2026-03-14T01:59:59Z')).toBeNull();
    expect(at('2026-03-14T02:00:00Z')).toBe('policy');
    // Monday, 2026-03-30: 1.8 days before the end.
    expect(at('2026-03-30T04:47:59Z')).toBeNull();
    expect(at('2026-03-30T04:48:00Z')).toBe('policy');
  });

  it('takes the emergency share of the policy', () => {
    const early = rule(1, null, { maintenance: saturdays, emergencyFraction: 0.05 });
    expect(planRenewal(facts(8), early).at).toEqual(after(7.6 * day));
  });

  it('waits for no window that opens after the end of the one that the CA suggests, and says so', () => {
    // Monday, 2026-02-02, with an end on Tuesday.
    const [suggestedAt, suggestedLastAt] = [after(32 * day), after(33 * day)];
    const announced = facts(90, { suggestedAt, suggestedLastAt });
    expect(planRenewal(announced, inWindows)).toMatchObject({
      at: suggestedLastAt,
      dueAt: suggestedAt,
      reason: 'emergency',
      text: expect.stringContaining(
        'before the renewal window that the CA suggests is about to end: it renews outside',
      ),
    });
    expect(due(announced, inWindows, after(33 * day - 1))).toBeNull();
    expect(due(announced, inWindows, after(33 * day))).toBe('emergency');
    const longer = facts(90, { suggestedAt, suggestedLastAt: after(40 * day) });
    expect(planRenewal(longer, inWindows)).toMatchObject({ at: new Date('2026-02-07T02:00:00Z'), reason: 'ca-window' });
    expect(planRenewal({ ...longer, suggestedLastAt: null }, inWindows).at).toEqual(new Date('2026-02-07T02:00:00Z'));
  });

  it('renews at once when the window that the CA suggests is over', () => {
    const over = facts(90, { suggestedAt: after(32 * day), suggestedLastAt: after(32 * day) });
    expect(due(over, inWindows, after(32 * day + 1))).toBe('ca-window');
    expect(emergencyOf(over, inWindows)).toEqual({ at: after(32 * day), cause: 'ca-window' });
  });

  it('is about to expire before the end of a suggested window that is later', () => {
    const late = facts(90, { suggestedLastAt: after(89.9 * day) });
    expect(emergencyOf(late, inWindows)).toEqual({ at: after(88.2 * day), cause: 'expiry' });
  });

  it('begins somewhere in the window, so that what became due during the week does not renew at one moment', () => {
    const [from, to] = [new Date('2026-03-07T02:00:00Z'), new Date('2026-03-07T04:00:00Z')];
    fc.assert(
      fc.property(hex, (spkiSha256) => {
        const { at } = planRenewal(facts(90, { spkiSha256 }), inWindows);
        expect(at).toEqual(new Date(from.getTime() + Math.floor(shareOf(spkiSha256) * 5_400_000)));
        expect(at && at < to).toBe(true);
        // Seen from the week after, in which nothing renewed it: in the same place of the next window.
        const late = beginsAt({ at: from, reason: 'policy' }, facts(90, { spkiSha256 }), inWindows, to);
        expect(late.getTime() - (at?.getTime() ?? 0)).toBe(7 * day);
      }),
    );
    const narrow = rule(30, null, { maintenance: saturdays, spreadHours: 1 });
    const last = { spkiSha256: 'ffffffff' };
    expect(planRenewal(facts(90, last), narrow).at?.toISOString()).toBe('2026-03-07T02:59:59.999Z');
    expect(planRenewal(facts(90, last), rule(30, null, { maintenance: saturdays, spreadHours: 0 })).at).toEqual(from);
  });

  it('begins in the window before the emergency that falls into it', () => {
    const suggestedLastAt = new Date('2026-03-07T02:30:00Z');
    const { at } = planRenewal(facts(90, { spkiSha256: 'ffffffff', suggestedLastAt }), inWindows);
    expect(at?.toISOString()).toBe('2026-03-07T02:22:29.999Z');
  });

  it('does not wait when the key is compromised', () => {
    expect(planRenewal(facts(90, { keyCompromised: true }), inWindows).at).toEqual(start);
  });

  it('begins in a window or at the emergency, whatever the lifetime', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 800 }), hex, (days, spkiSha256) => {
        const certificate = facts(days, { spkiSha256 });
        const { at } = planRenewal(certificate, inWindows);
        if (at === null) throw new Error('It has no obstacle.');
        const [opening] = nextOpenings(saturdays, at, 1);
        const isEmergency = at.getTime() === emergencyOf(certificate, inWindows).at.getTime();
        expect(isEmergency || (opening !== undefined && opening.from <= at)).toBe(true);
        expect(at.getTime()).toBeLessThanOrEqual(emergencyOf(certificate, inWindows).at.getTime());
      }),
    );
  });
});
