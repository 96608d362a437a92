import { describe, expect, it } from 'vitest';
import { due, noSuccession, planRenewal, type RenewalFacts } from './due.js';

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
const thirtyDays = { days: 30, lifetimeFraction: null };

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
    expect(planRenewal(facts(100), { days: 10, lifetimeFraction: 0.25 }).at).toEqual(after(75 * day));
    expect(planRenewal(facts(100), { days: 40, lifetimeFraction: 0.25 }).at).toEqual(after(60 * day));
  });

  it('renews in the emergency share even when the policy is later', () => {
    expect(planRenewal(facts(100), { days: 1, lifetimeFraction: null })).toMatchObject({
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
        { days: lead, lifetimeFraction: null },
        { days: lead, lifetimeFraction: 0.8 },
      ])) {
        expect(due(facts(days), policy, after(days * day * 0.199))).toBeNull();
      }
    }
  });
});
