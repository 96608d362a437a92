import { describe, expect, it } from 'vitest';
import { Delivery } from './delivery.entity.js';

const hourMs = 3_600_000;
const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 0, minute));
const differs = { outcome: 'differs', detail: 'Another certificate is served.' } as const;
const match = { outcome: 'match', detail: null } as const;

function planned(): Delivery {
  return Object.assign(new Delivery(), { state: 'planned', location: null, attempts: 0, round: 1, verification: null });
}

/** Delivered, and not served. */
function waiting(): Delivery {
  const delivery = planned();
  delivery.noteArrival('place');
  delivery.arrive(at(0), differs, hourMs);
  return delivery;
}

describe('a delivery', () => {
  it('is complete at once when its certificate is in use, and is checked again after the interval', () => {
    const delivery = planned();
    delivery.noteArrival('place');
    expect(delivery.arrive(at(0), match, hourMs)).toBe('settled');
    expect(delivery).toMatchObject({
      state: 'delivered',
      verification: 'verified',
      isComplete: true,
      isAwaited: false,
    });
    expect([delivery.verifiedAt, delivery.nextAttemptAt]).toEqual([at(0), at(60)]);
  });

  it('waits for the hook of its destination, and has its patience from then on', () => {
    const delivery = planned();
    delivery.noteArrival('place');
    expect(delivery.arriveBeforeHook(at(0))).toBe('waiting');
    expect(delivery).toMatchObject({ state: 'delivered', hook: 'due', isComplete: false, nextAttemptAt: at(0) });
    delivery.fail({ fault: 'unavailable', detail: 'The receiver is down.' }, at(0));
    expect(delivery).toMatchObject({ state: 'delivered', hook: 'due', attempts: 1, fault: 'unavailable' });
    delivery.noteHook(at(60));
    expect(delivery).toMatchObject({ hook: 'done', attempts: 0, fault: null, nextAttemptAt: at(60) });
    expect([delivery.check(differs, at(69), hourMs), delivery.check(differs, at(70), hourMs)]).toEqual([
      'waiting',
      'overdue',
    ]);
    delivery.retry(at(71));
    expect([delivery.state, delivery.hook]).toEqual(['planned', null]);
  });

  it('keeps what is known when a check fails, until one succeeds', () => {
    const delivery = planned();
    delivery.arrive(at(0), match, hourMs);
    delivery.fail({ fault: 'internal', detail: 'Something broke.' }, at(60));
    expect(delivery).toMatchObject({ state: 'delivered', verification: 'verified', attempts: 1, fault: 'internal' });
    delivery.check(match, at(61), hourMs);
    expect(delivery).toMatchObject({ attempts: 0, fault: null, faultDetail: null });
  });

  it.each([
    [10, 30_000 * 1.2],
    [6 * 60, 18 * 60_000 * 1.2],
    [90 * 24 * 60, 6 * hourMs * 1.2],
  ])('of a certificate that is valid for %i minutes is tried again in time however often it has failed', (m, most) => {
    const delivery = planned();
    for (let n = 0; n < 20; n += 1) delivery.fail({ fault: 'unavailable', detail: 'Down.' }, at(0), m * 60_000);
    const waitMs = (delivery.nextAttemptAt?.getTime() ?? 0) - at(0).getTime();
    expect(waitMs).toBeGreaterThanOrEqual(most / 1.2);
    expect(waitMs).toBeLessThanOrEqual(most);
  });

  it('is never checked again when nobody can tell, or checks are turned off', () => {
    for (const [finding, everyMs] of [
      [{ outcome: 'not-verifiable', detail: 'x' }, hourMs],
      [match, 0],
    ] as const) {
      const delivery = planned();
      delivery.arrive(at(0), finding, everyMs);
      expect([delivery.isComplete, delivery.nextAttemptAt]).toEqual([true, null]);
    }
  });

  it('is checked again at the usual interval while nobody may ask, and keeps the verdict that there was', () => {
    const denied = { outcome: 'denied', detail: 'The account is locked.' } as const;
    const delivery = planned();
    delivery.arrive(at(0), denied, hourMs);
    expect(delivery).toMatchObject({ isComplete: true, verification: 'not-verifiable', nextAttemptAt: at(60) });
    delivery.check(match, at(60), hourMs);
    delivery.check(denied, at(120), hourMs);
    expect(delivery).toMatchObject({ verification: 'verified', verifiedAt: at(60), nextAttemptAt: at(180) });
    expect(delivery.verificationDetail).toBe('The account is locked.');
  });

  it('is checked again soon while its certificate is not in use, also when checks are turned off', () => {
    const delivery = planned();
    expect(delivery.arrive(at(0), differs, 0)).toBe('waiting');
    expect(delivery).toMatchObject({ verification: 'pending', isComplete: false, isAwaited: true });
    expect(delivery.nextAttemptAt).toEqual(new Date(at(0).getTime() + 5000));
    expect(delivery.check(match, at(1), 0)).toBe('settled');
    expect([delivery.isComplete, delivery.nextAttemptAt]).toEqual([true, null]);
  });

  it('that was rolled back is still awaited, and keeps its place until a new attempt', () => {
    const delivery = waiting();
    expect(delivery.check(differs, at(10), hourMs)).toBe('overdue');
    delivery.rollBack(differs.detail, at(99));
    expect(delivery).toMatchObject({ state: 'rolled-back', location: 'place', isAwaited: true, mayStand: true });
    expect([delivery.fault, delivery.nextAttemptAt]).toEqual(['unverified', at(99)]);
    delivery.retry(at(20));
    // Its predecessor has the place, and two deliveries may not have the same one.
    expect(delivery).toMatchObject({ state: 'planned', location: null, verification: null, open: true });
  });

  it('has another round for each decision to deliver or remove, and keeps it while attempts fail', () => {
    const delivery = planned();
    delivery.begin(at(0), at(10));
    delivery.fail({ fault: 'unavailable', detail: 'Down.' }, at(0));
    delivery.begin(at(1), at(11));
    delivery.arrive(at(1), match, hourMs);
    const rounds = [delivery.round];
    delivery.retry(at(2));
    rounds.push(delivery.round);
    delivery.replace();
    delivery.stay(at(3));
    rounds.push(delivery.round);
    delivery.remove(at(4));
    rounds.push(delivery.round);
    expect(rounds).toEqual([1, 2, 3, 4]);
  });

  it('that was rolled back can be removed or replaced', () => {
    for (const [end, state] of [
      ['withdraw', 'leaving'],
      ['remove', 'removing'],
      ['replace', 'replaced'],
    ] as const) {
      const delivery = waiting();
      delivery.rollBack('x', at(99));
      delivery[end](at(20));
      expect(delivery.state).toBe(state);
    }
  });

  it('that is no longer in use has drifted once, and is complete again when it is in use', () => {
    const delivery = planned();
    delivery.arrive(at(0), match, hourMs);
    expect(delivery.check(differs, at(60), hourMs)).toBe('drifted');
    expect(delivery).toMatchObject({
      verification: 'differs',
      verifiedAt: at(0),
      checkedAt: at(60),
      isComplete: false,
    });
    expect(delivery.check(differs, at(120), hourMs)).toBe('still-differs');
    expect(delivery.check(match, at(180), hourMs)).toBe('settled');
    expect(delivery).toMatchObject({ verification: 'verified', verificationDetail: null, isComplete: true });
  });

  it('forgets what was seen of an earlier delivery when it is delivered again', () => {
    const delivery = planned();
    delivery.arrive(at(0), match, hourMs);
    delivery.retry(at(5));
    expect(delivery).toMatchObject({ state: 'planned', verification: null });
    delivery.fail({ fault: 'unavailable', detail: 'x' }, at(6));
    expect(delivery.isComplete).toBe(false);
  });
});
